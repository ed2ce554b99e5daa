"""The history of a search: α, β, losses and curvature over time, as tables and for a checkpoint."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ftso_cli.nn.supernet import SuperNet

Architecture = Mapping[str, Tensor]
"""α and β by name: `alpha.normal` (edges, candidates), `beta.normal` (edges), and so on."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A moment of a search; losses are means since the record before, None where there were none.

    Of a cell with its operators, `skips` of `edges` edges are skip connections now. `eigenvalue` is the dominant one of
    the held-out loss's Hessian, None where it is not tracked. `reward` is the highest of an evaluated cell so far.
    """

    iteration: int
    epoch: int
    weight_loss: float | None = None
    arch_loss: float | None = None
    skips: int | None = None
    edges: int | None = None
    eigenvalue: float | None = None
    reward: float | None = None


@dataclass(frozen=True)
class History:
    """All records, and α and β at each."""

    records: tuple[Record, ...] = ()
    architectures: tuple[Architecture, ...] = ()

    def with_record(self, record: Record, architecture: Architecture) -> "History":
        """One record longer; the architecture is copied."""
        copied = {name: value.detach().cpu().clone() for name, value in architecture.items()}
        return replace(self, records=(*self.records, record), architectures=(*self.architectures, copied))

    def tensors(self) -> dict[str, Tensor]:
        """α and β by name, the records along the first dimension."""
        names = self.architectures[0] if self.architectures else ()
        return {name: torch.stack([each[name] for each in self.architectures]) for name in names}

    def values(self) -> list[dict[str, Any]]:
        """The records, as JSON has them."""
        return [asdict(record) for record in self.records]

    def metrics(self) -> bytes:
        """A line a record, as CSV."""
        return as_csv(list(Record.__dataclass_fields__), ([*asdict(record).values()] for record in self.records))

    def alphas(self, net: SuperNet) -> bytes:
        """A line for each record, edge and candidate, as CSV; `share` is the softmax over the candidates."""
        header = ["iteration", "cell", "source", "target", "operator", "alpha", "share"]
        return as_csv(header, self._alphas(net))

    def betas(self, net: SuperNet) -> bytes:
        """A line for each record and edge, as CSV; `share` is the softmax over the edges into the node."""
        return as_csv(["iteration", "cell", "source", "target", "beta", "share"], self._betas(net))

    def _alphas(self, net: SuperNet) -> Iterator[list[Any]]:
        for record, kind, alpha in self._each(net, "alpha"):
            shares = alpha.softmax(1).tolist()
            for edge, row, its in zip(net.wirings[kind].edges, alpha.tolist(), shares, strict=True):
                for op, value, share in zip(net.ops, row, its, strict=True):
                    yield [record.iteration, kind, *edge, op, value, share]

    def _betas(self, net: SuperNet) -> Iterator[list[Any]]:
        for record, kind, beta in self._each(net, "beta"):
            shares = net.wirings[kind].shares(beta).tolist()
            for edge, value, share in zip(net.wirings[kind].edges, beta.tolist(), shares, strict=True):
                yield [record.iteration, kind, *edge, value, share]

    def _each(self, net: SuperNet, which: str) -> Iterator[tuple[Record, str, Tensor]]:
        for record, architecture in zip(self.records, self.architectures, strict=True):
            for kind in net.wirings:
                yield record, kind, architecture[f"{which}.{kind}"]


def restored(records: Sequence[Record], tensors: Mapping[str, Tensor]) -> History:
    """The history of these records, with the tensors that `History.tensors` gave."""
    architectures = tuple({name: stack[at] for name, stack in tensors.items()} for at in range(len(records)))
    return History(tuple(records), architectures)


def as_csv(header: list[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return a table with a header as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
