"""Precision, recall, intervals and mistakes, compared with scikit-learn and scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, precision_recall_fscore_support

from ftso_cli.training.testing.class_scores import Confusion, wilson


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_the_scores_of_classes_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truths, answers = zip(*pairs, strict=True)
    counts = np.zeros((5, 5), dtype=int)
    np.add.at(counts, (truths, answers), 1)
    table = Confusion(classes="abcde", counts=counts.tolist())
    expected = precision_recall_fscore_support(truths, answers, labels=range(5), zero_division=0)
    found = [[getattr(one, name) or 0 for one in table.scores] for name in ("precision", "recall", "f1", "images")]
    np.testing.assert_allclose(found, expected)
    there = sorted(set(truths))
    recalls = [table.scores[at].recall for at in there]
    assert table.balanced_accuracy == pytest.approx(np.mean(recalls))
    if set(answers) <= set(truths) and len(there) > 1:
        assert table.balanced_accuracy == pytest.approx(balanced_accuracy_score(truths, answers))
    assert table.accuracy == pytest.approx(np.mean(np.array(truths) == np.array(answers)))
    assert table.baseline == max(np.bincount(truths)) / len(truths)
    assert all((one.recall is None) == (one.images == 0) for one in table.scores)
    assert all((one.precision is None) == (one.answered == 0) for one in table.scores)


@given(st.integers(1, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_interval_is_that_of_wilson_as_scipy_has_it(pair: tuple[int, int]) -> None:
    right, of = pair
    expected = binomtest(right, of).proportion_ci(method="wilson")
    assert wilson(right, of) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_mistakes_come_by_their_number_and_then_by_their_share_of_the_class() -> None:
    table = Confusion(classes=("cat", "dog", "cow"), counts=[[20, 7, 4], [4, 10, 0], [0, 0, 0]])
    told = [(one.count, one.of, one.truth, one.answer) for one in table.mistakes(2)]
    assert told == [(7, 31, 0, 1), (4, 14, 1, 0)]
    assert len(table.mistakes(10)) == 3 and table.worst(3) == [0, 1]
