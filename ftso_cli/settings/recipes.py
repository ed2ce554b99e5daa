"""The recipes of `ftso train`, as data. No torch here: the command line reads them for --help.

`cifar` and `imagenet` are the evaluation settings of Table 4 of the FTSO paper; what it leaves out is that of DARTS
(Liu et al., 2019, appendix A.2 and A.3) and, for ImageNet at batch 1024, of PC-DARTS (Xu et al., 2020, section 4.3),
which the paper says it follows. `quick` is ours, for a laptop.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, replace
from typing import Annotated, Literal

from ftso_cli.errors import SettingsError, unknown
from ftso_cli.settings.options import Option, Settings, settings
from ftso_cli.settings.values import ImageSize
from ftso_cli.spaces.darts import IMAGENET_PIXELS, NetworkShape, Reduction, Stem

PANEL = "Recipe"
"""A panel of help."""

Schedule = Literal["cosine", "linear", "one-cycle"]
"""cosine and linear step the rate after each epoch. one-cycle steps it after each batch: a rise in a line, then a
cosine down to 0."""

Augmentation = Literal["none", "light", "strong", "cifar", "imagenet"]
"""All of them flip, where that is not turned off. light: padding and a random crop of images up to 32 pixels, a random
resized crop of larger ones. strong: light and TrivialAugment. cifar: padding and a random crop. imagenet: random
resized crop and colour jitter in training, and in tests the centre of a larger picture (Resize 256, CenterCrop 224)."""

Balance = Literal["none", "loss", "sampling"]

CUTOUT: Mapping[str, float] = {"none": 0.0, "light": 0.0, "strong": 0.25}
"""The cutout of an augmentation that is asked for in the place of the recipe's, where no cutout is."""

MOST_EPOCHS = 1_000_000
"""More is a slip of the hand, or a file that was made to fill the memory."""


MOST_ALPHA = 1000.0
"""The largest parameter of the distribution of mixing shares; they are all close to a half by then."""


@settings
class Recipe(Settings):
    """The hyper-parameters of a training from scratch. The defaults of its fields are those of `quick`."""

    _: KW_ONLY
    epochs: Annotated[
        int, Option(help="Passes over the images.", least=1, most=MOST_EPOCHS, short="-e", metavar="N", panel=PANEL)
    ] = 12
    channels: Annotated[
        int, Option(help="Channels of the first cells.", least=1, most=16_384, metavar="N", panel=PANEL)
    ] = 16
    cells: Annotated[int, Option(help="Cells of the network.", least=1, most=1_000, metavar="N", panel=PANEL)] = 5
    stem: Annotated[
        Stem,
        Option(
            help="Layers before the cells. cifar: images keep their size; half, quarter: convolutions with strides "
            "bring it to a half or a quarter; pooled, pooled-quarter: a max pooling does; imagenet: to an eighth.",
            panel=PANEL,
        ),
    ] = "cifar"
    reduction: Annotated[
        Reduction,
        Option(
            help="What halves the size between stages of nats cells: a residual block, or a convolution and a pooling.",
            panel=PANEL,
        ),
    ] = "residual"
    batch_size: Annotated[
        int, Option(help="Images a step.", least=2, most=1_000_000, short="-b", metavar="N", panel=PANEL)
    ] = 64
    rate: Annotated[float, Option(help="Highest learning rate.", least=0, metavar="NUMBER", panel=PANEL)] = 0.05
    schedule: Annotated[Schedule, Option(help="How the rate falls to 0 over the epochs.", panel=PANEL)] = "cosine"
    warmup: Annotated[
        int,
        Option(
            help="Epochs in which the rate rises; 0 with one-cycle: 15 % of all.",
            least=0,
            most=MOST_EPOCHS,
            metavar="N",
            panel=PANEL,
        ),
    ] = 0
    momentum: Annotated[float, Option(help="Momentum of SGD.", least=0, metavar="NUMBER", panel=PANEL)] = 0.9
    nesterov: Annotated[
        bool,
        Option(
            help="Nesterov's momentum.",
            spelled="--nesterov/--no-nesterov",
            shown="no-nesterov; nesterov in auto",
            panel=PANEL,
        ),
    ] = False
    weight_decay: Annotated[float, Option(help="Weight decay.", least=0, metavar="NUMBER", panel=PANEL)] = 3e-4
    decay_norms: Annotated[
        bool,
        Option(
            help="Weight decay on batch norms and biases, too.",
            spelled="--decay-norms/--no-decay-norms",
            shown="decay-norms; no-decay-norms in auto",
            panel=PANEL,
        ),
    ] = True
    average: Annotated[
        float,
        Option(
            help="Decay of the moving average of the weights, which is tested and saved instead of the last ones; 0: "
            "none.",
            least=0,
            below=1,
            metavar="NUMBER",
            panel=PANEL,
        ),
    ] = 0.0
    """Decay a step of an exponential moving average of weights and batch statistics; 0 keeps none."""
    clip: Annotated[
        float, Option(help="Largest norm of the gradient; 0: any.", least=0, metavar="NUMBER", panel=PANEL)
    ] = 5.0
    label_smoothing: Annotated[
        float, Option(help="Label smoothing of both losses.", least=0, below=1, metavar="NUMBER", panel=PANEL)
    ] = 0.0
    drop_path: Annotated[
        float, Option(help="Drop-path rate of the last epoch.", least=0, below=1, metavar="NUMBER", panel=PANEL)
    ] = 0.0
    """Rate towards which it rises linearly, from 0 in the first epoch."""
    cutout: Annotated[
        float,
        Option(
            help="Side of the square cut out of each image, as a share of the image's.",
            least=0,
            below=1,
            metavar="NUMBER",
            panel=PANEL,
        ),
    ] = 0.0
    auxiliary: Annotated[
        float, Option(help="Weight of the auxiliary head's loss; 0: none.", least=0, metavar="NUMBER", panel=PANEL)
    ] = 0.4
    augmentation: Annotated[
        Augmentation,
        Option(
            help="none: flips alone; light: random crops; strong: light, TrivialAugment and a cutout of 0.25; cifar: "
            "padding and random crops; imagenet: random resized crops and colour jitter, and tests take the centre "
            "of a larger picture.",
            panel=PANEL,
        ),
    ] = "cifar"
    validation: Annotated[
        float,
        Option(
            help="Share of the training images laid aside for validation, where the set has none for that.",
            least=0,
            below=0.9,
            metavar="NUMBER",
            panel=PANEL,
        ),
    ] = 0.0
    """Stratified by class and the same for every seed."""
    keep: Annotated[
        Literal["last", "best"],
        Option(
            help="Save and test the network of the last epoch, or of the one that does best on the validation images.",
            panel=PANEL,
        ),
    ] = "last"
    patience: Annotated[
        int,
        Option(
            help="End after so many validated epochs that are no better than the best; 0: never.",
            least=0,
            most=MOST_EPOCHS,
            metavar="N",
            panel=PANEL,
        ),
    ] = 0
    mixup: Annotated[
        float,
        Option(
            help="Mix pairs of images by shares from Beta(N, N); 0: never.",
            least=0,
            most=MOST_ALPHA,
            metavar="N",
            panel=PANEL,
        ),
    ] = 0.0
    cutmix: Annotated[
        float,
        Option(
            help="Paste a box of another image, its area from Beta(N, N); with mixup one of both a batch; 0: never.",
            least=0,
            most=MOST_ALPHA,
            metavar="N",
            panel=PANEL,
        ),
    ] = 0.0
    balance: Annotated[
        Balance,
        Option(
            help="Make up for classes with few images. loss: weigh images inversely to the root of the size of their "
            "class; sampling: draw all classes equally often.",
            panel=PANEL,
        ),
    ] = "none"
    freeze: Annotated[
        bool, Option(help="With --from: train the classifier alone; all other weights stay equal.", panel=PANEL)
    ] = False
    body_rate: Annotated[
        float,
        Option(
            help="With --from: learning rate of all but the classifier, as a share of --rate.",
            least=0,
            most=1,
            metavar="NUMBER",
            panel=PANEL,
        ),
    ] = 1.0
    image_size: ImageSize = None
    """Height and width of the images where none is asked for; None: as the data set has it."""

    def shape(self, *, classes: int, image_channels: int) -> NetworkShape:
        """Return the shape of the network that is trained on images of so many classes and channels."""
        sizes = {name: getattr(self, name) for name in ("channels", "cells", "stem", "reduction")}
        return NetworkShape(classes=classes, image_channels=image_channels, **sizes)


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """Return a recipe of so many epochs; its warm-up keeps its share where it would be more than half of them."""
    warmup = recipe.warmup if 2 * recipe.warmup <= epochs else recipe.warmup * epochs // recipe.epochs
    return replace(recipe, epochs=epochs, warmup=warmup)


LEAST_CLIP = 1e-3
"""A smaller norm of the gradient moves no weight by as much as single precision keeps."""


def check_trains(recipe: Recipe) -> None:
    """Raises `SettingsError` for values with which nothing is learnt. A run of before may have them all the same."""
    if not recipe.rate:
        raise SettingsError("rate must be above 0, not 0")
    if recipe.momentum >= 1:
        raise SettingsError(f"momentum must be below 1, not {recipe.momentum:g}")
    if recipe.nesterov and not recipe.momentum:
        raise SettingsError("nesterov needs a momentum above 0")
    if 0 < recipe.clip < LEAST_CLIP:
        raise SettingsError(f"clip must be at least {LEAST_CLIP:g}, or 0 for no clipping, not {recipe.clip:g}")
    if recipe.warmup > recipe.epochs:
        raise SettingsError(
            f"a warm-up of {recipe.warmup} epochs never reaches the rate in {recipe.epochs}; give fewer of warm-up, or "
            "more epochs"
        )


AUTO = "auto"
"""The recipe whose network and batches are chosen for the images, the machine and the time (`training/planning.py`)."""

RECIPES: Mapping[str, Recipe] = {
    AUTO: Recipe(
        channels=24,
        cells=3,
        stem="half",
        epochs=300,
        batch_size=128,
        rate=0.2,
        schedule="one-cycle",
        nesterov=True,
        weight_decay=5e-4,
        decay_norms=False,
        average=0.998,
        clip=0,
        label_smoothing=0.1,
        auxiliary=0,
        augmentation="light",
        validation=0.1,
        keep="best",
    ),
    "quick": Recipe(channels=16, cells=5, epochs=12, batch_size=64, rate=0.05, cutout=0.25),
    "cifar": Recipe(
        channels=36,  # Table 4
        cells=20,  # Table 4
        epochs=600,  # Table 1
        batch_size=96,  # DARTS A.2
        rate=0.025,  # Table 4
        drop_path=0.3,  # PC-DARTS; DARTS has 0.2
        cutout=0.5,  # DARTS A.2: 16 of 32 pixels
    ),
    "imagenet": Recipe(
        channels=48,  # Table 4
        cells=14,  # Table 4
        stem="imagenet",
        epochs=250,  # Section A.1
        batch_size=1024,  # PC-DARTS
        rate=0.5,  # Table 4
        schedule="linear",  # Table 4
        warmup=5,  # PC-DARTS
        weight_decay=3e-5,  # DARTS A.3
        label_smoothing=0.1,  # PC-DARTS
        augmentation="imagenet",  # PC-DARTS' code
        image_size=(IMAGENET_PIXELS, IMAGENET_PIXELS),  # DARTS A.3
    ),
}


def recipe(name: str) -> Recipe:
    """The recipe called `name`; raises `SettingsError` where there is none."""
    if name not in RECIPES:
        raise SettingsError(unknown("recipe", name, RECIPES))
    return RECIPES[name]
