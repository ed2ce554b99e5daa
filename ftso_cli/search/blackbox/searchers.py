"""The searchers by the name of their method, and a search made of one."""

from collections.abc import Callable, Mapping

import torch

from ftso_cli.data import ImageData
from ftso_cli.genotype import Genotype
from ftso_cli.processes import check_alone
from ftso_cli.search.blackbox.domain import Domain
from ftso_cli.search.blackbox.engine import AskTellEngine
from ftso_cli.search.blackbox.evolution import RegularisedEvolution
from ftso_cli.search.blackbox.halving import SuccessiveHalving
from ftso_cli.search.blackbox.local_search import LocalSearch
from ftso_cli.search.blackbox.progressive import ProgressiveSearch
from ftso_cli.search.blackbox.random_search import RandomSearch
from ftso_cli.search.blackbox.reinforce import Reinforce
from ftso_cli.search.blackbox.searcher import Searcher
from ftso_cli.search.evaluators.evaluator import EvaluationContext
from ftso_cli.search.evaluators.registry import make_evaluator
from ftso_cli.search.phases import Search
from ftso_cli.settings.asktell import AskTellSettings

SEARCHERS: Mapping[str, type[Searcher]] = {
    "random": RandomSearch,
    "local-search": LocalSearch,
    "evolution": RegularisedEvolution,
    "reinforce": Reinforce,
    "pnas": ProgressiveSearch,
    "halving": SuccessiveHalving,
}


def search_by_evaluation(
    domain: Domain,
    data: ImageData,
    settings: AskTellSettings,
    *,
    seed: int,
    device: torch.device,
    reached: Callable[[Genotype], float] | None = None,
) -> Search:
    """A search of `settings.method` in a domain, ready to run; `reached` looks a cell up in the search's table.

    Raises `SettingsError` where the method or the evaluator lacks something, and where `torchrun` has started several
    processes.
    """
    check_alone(f"{settings.method} evaluates cells one after another, in one process")
    context = EvaluationContext(settings=settings, data=data, seed=seed, device=device, reached=reached)
    searcher = SEARCHERS[settings.method](domain, seed=seed, evaluations=settings.evaluations)
    engine = AskTellEngine(searcher, make_evaluator(context), seconds=settings.seconds)
    return Search(engine, engine.best, domain.limit.remark)
