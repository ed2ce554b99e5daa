"""Agreement, chance and margins against counts by hand and against random wirings."""

import random
from statistics import fmean

import pytest
from pydantic import ValidationError

from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype
from ftso_cli.genotype.agreement import (
    LARGEST_Z,
    at_chance,
    chance,
    common_share,
    count_significant,
    pruned_wiring,
    significantly_weaker,
    split_half_agreement,
    with_agreement,
    z_scores,
)
from ftso_cli.genotype.edit import keep_strongest
from ftso_cli.genotype.schema import Agreement, Ensemble

FULL = [(source, target) for target in range(2, 6) for source in range(target)]


def cell(scores: dict[tuple[int, int], tuple[float, ...]]) -> Cell:
    """A cell whose edges have these scores."""
    edges = (Edge(source=s, target=t, op="skip_connect", scores=values) for (s, t), values in scores.items())
    return Cell(edges=tuple(edges), concat=tuple(sorted({target for _, target in scores})))


def genotype(normal: Cell, seeds: int) -> Genotype:
    ensemble = Ensemble(rank="gradient", seeds=tuple(range(seeds)))
    cells = {"normal": normal, "reduce": normal}
    return Genotype(format=FORMAT, space="darts", stage="searched", ensemble=ensemble, cells=cells)


def random_cell(draw: random.Random, seeds: int) -> Cell:
    return cell({edge: tuple(draw.gauss(0, 1) for _ in range(seeds)) for edge in FULL})


def test_chance_of_a_darts_cell_is_what_random_wirings_share() -> None:
    draw = random.Random(1)
    assert chance(random_cell(draw, 1), 2) == pytest.approx((2 + 4 / 3 + 1 + 4 / 5) / 8)
    shares = []
    for _ in range(2000):
        one, other = (
            frozenset((s, node) for node in range(2, 6) for s in draw.sample(range(node), 2)) for _ in range(2)
        )
        shares.append(common_share(one, other))
    assert fmean(shares) == pytest.approx(0.6417, abs=0.01)


def test_halves_of_noise_agree_at_chance_and_halves_of_a_signal_fully() -> None:
    draw = random.Random(2)
    noise = [split_half_agreement(random_cell(draw, 8), 2) for _ in range(60)]
    assert fmean(noise) == pytest.approx(0.642, abs=0.03)
    clear = cell({(s, t): tuple(s + draw.gauss(0, 0.1) for _ in range(8)) for s, t in FULL})
    assert split_half_agreement(clear, 2) == 1.0
    assert split_half_agreement(clear, 2, size=1) == 1.0


def test_the_agreement_of_an_ensemble_is_the_same_in_every_run() -> None:
    many = random_cell(random.Random(3), 40)
    assert split_half_agreement(many, 2) == split_half_agreement(many, 2)


def test_a_margin_is_the_paired_difference_to_the_rival_in_standard_errors() -> None:
    node = cell({(0, 2): (5.0, 7.0), (1, 2): (1.0, 1.0), (0, 3): (3.0, 5.0), (1, 3): (2.0, 2.0), (2, 3): (0.0, 1.0)})
    # Edges come by target, then source. Differences 3 and 4: mean 3.5, standard error 0.5.
    assert z_scores(node, 2)[:2] == [None, None]
    assert z_scores(node, 2)[2:] == pytest.approx([7.0, 1.5 / 0.5, -3.0])


def test_a_difference_without_error_is_as_clear_as_can_be_written() -> None:
    node = cell({(0, 3): (3.0, 3.0), (1, 3): (2.0, 2.0), (0, 2): (1.0, 1.0), (2, 3): (1.0, 1.0)})
    assert set(z_scores(node, 2)) == {None, LARGEST_Z, -LARGEST_Z}


def test_pruning_an_ensemble_ranks_by_the_mean_score_and_assesses_for_what_it_keeps() -> None:
    draw = random.Random(4)
    searched = genotype(random_cell(draw, 6), 6)
    pruned, _ = keep_strongest(searched)
    assert pruned.ensemble is not None and set(pruned.ensemble.agreement) == {"normal", "reduce"}
    assert pruned.ensemble.agreement["normal"].chance == pytest.approx(0.6417, abs=1e-4)
    for node in range(2, 6):
        edges = [edge for edge in pruned.cells["normal"].edges if edge.target == node]
        kept = [edge for edge in edges if edge.kept]
        assert min(fmean(edge.scores or ()) for edge in kept) >= max(
            [fmean(edge.scores or ()) for edge in edges if not edge.kept], default=-9.0
        )
        assert all((edge.z is None) == (node == 2) for edge in edges)
    three, _ = keep_strongest(searched, 3)
    assert three.ensemble is not None and three.ensemble.agreement["normal"].chance > 0.7
    assert all(edge.z is None for edge in three.cells["normal"].edges if edge.target == 3)


def test_edges_of_noise_are_mostly_drawn_by_lot_and_those_of_a_signal_found() -> None:
    draw = random.Random(5)
    counts = [count_significant(keep_strongest(genotype(random_cell(draw, 16), 16))[0]) for _ in range(30)]
    assert all(chosen == 12 for _, chosen in counts)
    assert fmean(of_noise for of_noise, _ in counts) < 3.5
    clear = cell({(s, t): tuple(s + draw.gauss(0, 0.1) for _ in range(16)) for s, t in FULL})
    pruned, _ = keep_strongest(genotype(clear, 16))
    assert count_significant(pruned) == (12, 12)
    assert not any(at_chance(edge) for edge in pruned.cells["normal"].edges)
    kept = {(s, t) for s, t in FULL if s >= t - 2}
    assert pruned_wiring(pruned.cells["normal"]) == kept
    searched = with_agreement(genotype(clear, 16), 2).cells["normal"].edges
    assert {(edge.source, edge.target) for edge in searched if significantly_weaker(edge)} == set(FULL) - kept
    assert not any(at_chance(edge) for edge in searched)


def test_one_seed_has_neither_agreement_nor_z() -> None:
    single = with_agreement(genotype(random_cell(random.Random(6), 1), 1), 2)
    assert single.ensemble is not None and not single.ensemble.agreement
    assert all(edge.z is None for edge in single.cells["normal"].edges)


def test_scores_must_fit_the_seeds() -> None:
    with pytest.raises(ValidationError, match="2 scores for 3 seeds"):
        genotype(random_cell(random.Random(7), 2), 3)


def two_against_two() -> Cell:
    """A cell of four seeds: the first two leave source 0 of node 3 out, the last two, less firmly, source 2."""
    scores = {(0, 2): (1.0,) * 4, (1, 2): (1.0,) * 4}
    scores |= {(0, 3): (-4.0, -4.0, 0.0, 0.0), (1, 3): (9.0,) * 4, (2, 3): (0.0, 0.0, -2.0, -2.0)}
    return cell(scores)


def test_all_halvings_of_few_seeds_are_looked_at_once_each() -> None:
    # Seeds 0, 1 against 2, 3 share three of four edges; mixed halves leave source 0 out, both of them.
    assert split_half_agreement(two_against_two(), 2) == pytest.approx((3 / 4 + 1 + 1) / 3)


def test_the_size_of_the_two_ensembles_can_be_less_than_half() -> None:
    # Of the six pairs of single seeds, two are of one mind.
    assert split_half_agreement(two_against_two(), 2, size=1) == pytest.approx((2 * 1 + 4 * 3 / 4) / 6, abs=0.03)


def test_an_edge_at_two_standard_errors_is_found_and_at_minus_two_left_out() -> None:
    edge = {"source": 0, "target": 2, "op": "skip_connect"}
    judged = {
        z: (at_chance(Edge(**edge, z=z)), significantly_weaker(Edge(**edge, z=z)))
        for z in (-2.0, -1.99, 0.0, 1.99, 2.0, 3.0)
    }
    assert judged == {
        -2.0: (False, True),
        -1.99: (True, False),
        0.0: (True, False),
        1.99: (True, False),
        2.0: (False, False),
        3.0: (False, False),
    }
    assert not at_chance(Edge(**edge, z=0.0, kept=False)) and not significantly_weaker(Edge(**edge, z=-3.0, kept=False))
    assert not at_chance(Edge(**edge)) and not significantly_weaker(Edge(**edge))


def test_equal_scores_have_no_margin() -> None:
    node = cell({(source, 3): (1.0, 1.0) for source in range(3)} | {(0, 2): (1.0, 1.0), (1, 2): (1.0, 1.0)})
    assert z_scores(node, 2) == [None] * 2 + [0.0] * 3


def test_two_seeds_are_assessed_and_figures_are_rounded_for_the_file() -> None:
    searched = genotype(random_cell(random.Random(8), 2), 2)
    normal = searched.cells["normal"]
    found_, chance_ = split_half_agreement(normal, 3), chance(normal, 3)
    done = with_agreement(searched, 3)
    assert done.ensemble is not None
    agreement = done.ensemble.agreement["normal"]
    assert (agreement.found, agreement.chance) == (round(found_, 4), round(chance_, 4))
    assert chance_ != round(chance_, 4)
    for edge, exact in zip(done.cells["normal"].edges, z_scores(normal, 3), strict=True):
        assert edge.z == (None if exact is None else round(exact, 2))


def test_an_agreement_of_a_cell_that_the_file_lacks_is_refused() -> None:
    whole = genotype(random_cell(random.Random(9), 2), 2)
    assert whole.ensemble is not None
    wrong = whole.ensemble.model_copy(update={"agreement": {"other": Agreement(found=1.0, chance=0.5)}})
    with pytest.raises(ValidationError, match="'other' is no cell of this file"):
        whole.replace(ensemble=wrong)


def test_the_agreement_of_many_seeds_is_that_of_the_wirings_counted_one_by_one() -> None:
    one = random_cell(random.Random(5), 40)
    order, shares = random.Random(0), []
    for _ in range(100):
        drawn = order.sample(range(40), 20)
        halves = drawn[:10], drawn[10:]
        kept = []
        for half in halves:
            mean = {edge: fmean((edge.scores or ())[seed] for seed in half) for edge in one.edges}
            ranked = {
                node: sorted((edge for edge in one.edges if edge.target == node), key=lambda edge: -mean[edge])[:2]
                for node in one.targets
            }
            kept.append(frozenset((edge.source, node) for node, edges in ranked.items() for edge in edges))
        shares.append(common_share(*kept))
    assert split_half_agreement(one, 2, size=10) == pytest.approx(fmean(shares))


def test_two_cells_without_edges_have_all_of_them_in_common() -> None:
    assert common_share(frozenset(), frozenset()) == 1.0
