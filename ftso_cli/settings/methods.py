"""The published hyper-parameters of the searches that FTSO is compared with, and of its own ones on ImageNet.

Sources of the values that differ from `SearchSettings`:
DARTS     Liu et al., 2019, appendix A.1; the weights' rate ends at 1e-3 in its published code (`learning_rate_min`)
PC-DARTS  Xu et al., 2020, section 4.2: the first 15 of 50 epochs hold α and β; the rate ends at 0 in its code
SNAS      Xie et al., 2019, and its code: temperature from 1 to 0.03, 150 epochs; rates of DARTS
GDAS      Dong and Yang, 2019, section 4.2, and its code: temperature from 10 to 0.1, 240 epochs, weight decay 5e-4
DrNAS     Chen et al., 2021, and its code: rate 0.1, α 6e-4, the first 10 of every 25 epochs hold α. Decay of α is its
          regulariser. Its code lets one in six channels pass, then one in four, and drops candidates in between
ProxylessNAS  Cai et al., 2019, and its code for ImageNet: α by Adam with 1e-3, moments 0 and 0.999, no decay; batch
          256, weight decay 4e-5, 40 epochs of warm-up before 120
P-DARTS   Chen et al., 2019, section 4.1, and its code: three stages of 25 epochs, 10 of which hold α; 5, 11 and 17
          cells with 8, 5 and 3 candidates; dropout on skips from 0, 0.4 and 0.7; at most 2 skips in a normal cell
random    DARTS, Table 1: the best of 24 random cells
evolution Real et al., 2019; reinforce: NASNet (Zoph et al., 2018); pnas: Liu et al., 2018 (`search.blackbox`)
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, fields, replace
from typing import Annotated, Any, Literal, cast

from ftso_cli.settings.asktell import AskTellSettings
from ftso_cli.settings.options import Option, Settings, settings
from ftso_cli.settings.searches import OF_STAGES, GradientSettings, JointSettings, Method
from ftso_cli.settings.values import chosen
from ftso_cli.spaces import DARTS

_DARTS = GradientSettings(
    method="darts-1st",
    ops=DARTS.candidates,
    epochs=50,
    partial=1,
    weight_lr_end=1e-3,
    arch_lr=3e-4,
)

METHODS: Mapping[Method, JointSettings | AskTellSettings] = {
    "darts-1st": _DARTS,
    "darts-2nd": replace(_DARTS, method="darts-2nd", order=2),
    "pc-darts": replace(
        _DARTS,
        method="pc-darts",
        weighs_edges=True,
        partial=4,
        batch_size=256,
        weight_lr=0.1,
        weight_lr_end=0.0,
        arch_lr=6e-4,
        warmup=15 / 50,
    ),
    "snas": replace(_DARTS, method="snas", relaxation="gumbel", temperature=(1.0, 0.03), epochs=150),
    "gdas": replace(
        _DARTS, method="gdas", relaxation="hard-gumbel", temperature=(10.0, 0.1), epochs=240, weight_decay=5e-4
    ),
    "drnas": replace(
        _DARTS,
        method="drnas",
        relaxation="dirichlet",
        partial=4,
        weight_lr=0.1,
        weight_lr_end=0.0,
        arch_lr=6e-4,
        warmup=10 / 25,
    ),
    "proxylessnas": replace(
        _DARTS,
        method="proxylessnas",
        relaxation="gates",
        epochs=160,
        batch_size=256,
        weight_lr_end=0.0,
        weight_decay=4e-5,
        arch_lr=1e-3,
        arch_momenta=(0.0, 0.999),
        arch_decay=0.0,
        warmup=40 / 160,
    ),
    "p-darts": replace(
        _DARTS,
        method="p-darts",
        cells=5,
        added_cells=(0, 6, 12),
        kept=(1.0, 5 / 8, 3 / 8),
        skip_dropout=(0.0, 0.4, 0.7),
        most_skips=2,
        epochs=75,
        batch_size=96,
        weight_lr_end=0.0,
        arch_lr=6e-4,
        warmup=10 / 25,
    ),
    "random": AskTellSettings(method="random", budget=24),
    "local-search": AskTellSettings(method="local-search"),
    "evolution": AskTellSettings(method="evolution"),
    "reinforce": AskTellSettings(method="reinforce"),
    "pnas": AskTellSettings(method="pnas"),
    "halving": AskTellSettings(method="halving"),
}
"""The CIFAR-10 search of each method; the class of its settings says what carries it out (`search.joint`)."""

ON_CHOICES = (
    *("relaxation", "temperature", "order", "weighs_edges", "partial", "warmup"),
    *("arch_lr", "arch_momenta", "arch_decay"),
    *OF_STAGES,
)
"""The settings that are about α and β."""


def on_choices(method: Method | None) -> Mapping[str, Any]:
    """Return what a method says of α and β alone: how they are relaxed, and how they move; nothing for None.

    A search of one of the two phases takes it, and keeps its own length, network and steps on the weights. Raises
    `SettingsError` where there is no method of that name.
    """
    if method is None:
        return {}
    settings = chosen("method", method, dict(METHODS.items()))
    return {name: getattr(settings, name) for name in ON_CHOICES}


def by_evaluation(request: Settings, method: str, **others: Any) -> AskTellSettings:
    """Return the settings of a search by evaluation: those that a request gives, `others`, and the method's own."""
    names = {field.name for field in fields(AskTellSettings)} & request.given - {"method", *others}
    base: Any = METHODS[cast(Method, method)]
    found: AskTellSettings = replace(base, **{name: getattr(request, name) for name in names}, **others)
    return found


IMAGENET: Mapping[str, Any] = {
    "stem": "imagenet",
    "weight_lr": 0.5,
    "weight_lr_end": 0.0,
    "arch_lr": 6e-3,
    "batch_size": 1024,
    "weight_share": 0.1,
    "arch_share": 0.025,
}
"""The settings of a search on ImageNet (Table 4, appendix A.1; the batch is that of PC-DARTS, section 4.3)."""

RECIPES: Mapping[str, Mapping[str, Any]] = {"cifar": {}, "imagenet": IMAGENET}
"""The settings in which a recipe differs from the method's own."""


@settings
class ByRecipe(Settings):
    """A search whose settings start from those for a kind of images."""

    _: KW_ONLY
    recipe: Annotated[
        Literal["cifar", "imagenet"],
        Option(
            help="Settings for images as those of CIFAR-10 or of ImageNet; options given beside it win "
            "(docs/methods.md)."
        ),
    ] = "cifar"
