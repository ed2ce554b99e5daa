"""Reading what a search has left."""

from itertools import pairwise
from pathlib import Path

import pytest

from ftso_cli.errors import RunError
from ftso_cli.genotype import edit, storage
from ftso_cli.report.cell.moments import leads
from ftso_cli.report.cell.trace import MOST_RECORDS, read_trace
from ftso_cli.report.plots.figures import beta_heat

METRICS = "iteration,epoch,weight_loss,arch_loss,skips,edges,eigenvalue\n"
BETAS = "iteration,cell,source,target,beta,share\n"
ALPHAS = "iteration,cell,source,target,operator,alpha,share\n"


def long_search(folder: Path, records: int) -> Path:
    """A search of nats cells of one edge into node 1, with a loss that goes astray at the end."""
    lines = [f"{at},0,{1 / (at + 1) if at < records - 1 else 'nan'},,,," for at in range(records)]
    (folder / "metrics.csv").write_text(METRICS + "\n".join(lines))
    (folder / "betas.csv").write_text(BETAS + "\n".join(f"{at},cell,0,1,0.0,1.0" for at in range(records)))
    return folder


def test_the_moments_of_a_search_are_those_of_its_tables(afternoon: Path) -> None:
    trace = read_trace(afternoon / "cell.search-ops")
    assert [record.iteration for record in trace.records] == [0, 1, 2, 3]
    assert trace.records[0].weight_loss is None and trace.records[3].eigenvalue is not None
    cell = trace.cells["normal"]
    assert cell.ops == ("skip_connect", "sep_conv_3x3", "none") and len(cell.edges) == 6
    for shares in cell.alphas[2].values():
        assert sum(shares) == pytest.approx(1)
    assert sum(share for (_, target), share in cell.betas[3].items() if target == 4) == pytest.approx(1)


def test_what_leads_in_the_end_is_what_was_found(afternoon: Path) -> None:
    genotype = storage.read_genotype(afternoon / "cell.json")
    found = {str(edge): edge.op for edge in genotype.cells["reduce"].kept}
    last = leads(read_trace(afternoon / "cell.search-ops"), "reduce", 3)
    assert {f"{lead.ends[0]}→{lead.ends[1]}": lead.op for lead in last} == found

    topology = leads(read_trace(afternoon / "cell.search-topology"), "reduce", 3)
    assert {f"{lead.ends[0]}→{lead.ends[1]}" for lead in topology if lead.kept} == set(found)
    shares = dict(zip(map(str, genotype.cells["reduce"].edges), edit.shares(genotype.cells["reduce"]), strict=True))
    for lead in topology:
        assert lead.share == pytest.approx(shares[f"{lead.ends[0]}→{lead.ends[1]}"], abs=1e-6)


def test_of_a_long_search_the_page_gets_evenly_chosen_moments(tmp_path: Path) -> None:
    trace = read_trace(long_search(tmp_path, 1000))
    iterations = [record.iteration for record in trace.records]
    assert len(iterations) == MOST_RECORDS and trace.total == 1000
    assert (iterations[0], iterations[-1]) == (0, 999)
    steps = [after - before for before, after in pairwise(iterations)]
    assert max(steps) - min(steps) <= 1
    assert trace.records[-1].weight_loss is None


def test_shares_of_nodes_without_a_choice_make_no_heat_map(tmp_path: Path) -> None:
    trace = read_trace(long_search(tmp_path, 2))
    assert beta_heat(trace, trace.cells["cell"]) == ""


@pytest.mark.parametrize(
    ("table", "content", "problem"),
    [
        ("metrics.csv", METRICS, "no records"),
        ("metrics.csv", "a,b\n1,2\n", "metrics.csv: no table of a search"),
        ("metrics.csv", METRICS + "-1,0,,,,,\n", "iteration"),
        ("betas.csv", BETAS + "0,cell,0,1,0.0,7\n", "share"),
        ("betas.csv", BETAS + "0,cell,0,1,0.0,1.0\n", "same records and edges"),
        ("betas.csv", BETAS + "0,<script>,0,1,0.0,1.0\n", "no space has"),
        ("betas.csv", BETAS + "one,cell,0,1,0.0,1.0\n", "betas.csv: no table of a search"),
        ("alphas.csv", ALPHAS + "0,cell,0,1,magic,0,1\n", "no operator"),
    ],
)
def test_a_damaged_table_is_an_error_that_names_it(tmp_path: Path, table: str, content: str, problem: str) -> None:
    long_search(tmp_path, 3)
    (tmp_path / table).write_text(content)
    with pytest.raises(RunError, match=problem):
        read_trace(tmp_path)
