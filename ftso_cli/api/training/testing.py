"""The end of a training: its network on the test images, and what may help."""

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftso_cli.training.loop import Trainer
    from ftso_cli.training.testing.advice import Advice
    from ftso_cli.training.testing.evaluate import Score

RUNS, WARM_UP, SECONDS = 30, 3, 0.5
"""A brief measurement of the latency: the most runs, those before that don't count, and when it ends."""


def tested(trainer: "Trainer") -> "Score":
    """Test the saved weights, and keep the result and the latency for the page in the run folder."""
    from ftso_cli.training.testing.answers import write_answers
    from ftso_cli.training.testing.evaluate import evaluate_network as test
    from ftso_cli.training.testing.evaluate import load_network
    from ftso_cli.training.use.classifier import Classifier
    from ftso_cli.training.use.latency import time_classifier

    images = trainer.data
    network = load_network(trainer.run, trainer.device)
    score = test(network, images.final, images, trainer.config.recipe.batch_size, trainer.device)
    result = {
        "test_accuracy": score.accuracy,
        "balanced_accuracy": score.balanced_accuracy,
        "test_loss": score.loss,
        "test_images": score.images,
    }
    write_answers(trainer.run, images.classes, score.answers)
    result |= {"epoch": trainer.kept_epoch}
    record = trainer.run.images()
    trainer.run.write_result(result if record is None else result | {"tested_on": record.tests})
    classifier = Classifier(network, trainer.config).to(trainer.device)
    found = time_classifier(classifier, batch_size=1, runs=RUNS, warm_up=WARM_UP, seconds=SECONDS)
    trainer.run.write_latency(asdict(found))
    return score


def advice_of(trainer: "Trainer", score: "Score") -> "list[Advice]":
    """Return advice on a training, from its curves and its answers for the test images."""
    from ftso_cli.training.testing.advice import Finished, advise

    labels = trainer.data.train.labels
    return advise(
        Finished(
            folder=trainer.run.folder,
            epochs=trainer.run.epochs(),
            recipe=trainer.config.recipe,
            time=trainer.config.time,
            planned=bool(trainer.config.planned),
            table=score.by_class,
            trained=labels.bincount(minlength=len(score.classes)).tolist(),
            answers=score.answers,
        )
    )
