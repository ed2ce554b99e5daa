"""Second-order gradients, against an exact derivative through the step on the weights in double precision."""

import torch
from torch.func import functional_call
from torch.nn import functional

from ftso_cli.search.engine.unrolled import Unrolled
from tests.search.searches import search


def engine(**changes: object) -> Unrolled:
    """After a step, so that the weights' optimizer has a momentum; α far from 0, or they would all weigh the same."""
    made = search("darts-2nd", seed=1, **changes).engine
    assert isinstance(made, Unrolled)
    made.net.double()
    for stream in (made.weight_batches, made.arch_batches):
        stream._normalise = lambda images: images.double() / 16
    generator = torch.Generator().manual_seed(0)
    for alpha in made.net.alpha.values():
        alpha.data.copy_(torch.randn(alpha.shape, generator=generator))
    made.step()
    return made


def exact(made: Unrolled, training: tuple, held_out: tuple) -> list[torch.Tensor]:
    """∇α L_val(w - ξ (momentum + ∇w L_train + decay · w), α) by differentiating through the step."""
    names = {id(parameter): name for name, parameter in made.net.named_parameters()}
    weights, architecture = made.net.weights(), made.net.architecture()

    def loss(batch: tuple, values: list[torch.Tensor]) -> torch.Tensor:
        given = {names[id(weight)]: value for weight, value in zip(weights, values, strict=True)}
        return functional.cross_entropy(functional_call(made.net, given, (batch[0],)), batch[1])

    slopes = torch.autograd.grad(loss(training, weights), weights, create_graph=True)
    steps = made.weight_steps
    ahead = [
        weight - steps.rate * (steps.momentum * steps._moments[at] + slope + steps.decay * weight)
        for at, (weight, slope) in enumerate(zip(weights, slopes, strict=True))
    ]
    return list(torch.autograd.grad(loss(held_out, ahead), architecture))


def test_the_gradient_is_the_exact_one_through_the_next_step() -> None:
    made = engine(weight_lr=0.5)
    made.reach = 1e-6  # the published one crosses many kinks of so small a net
    training, held_out = next(made.weight_batches), next(made.arch_batches)
    expected = exact(made, training, held_out)
    _, found = made.architecture_gradients(training, held_out)
    first_order = made.gradients(held_out, made.net.architecture())[1]
    for ours, reference, plain in zip(found, expected, first_order, strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-6, atol=1e-9)
        # The second order is no rounding error: a factor of 2 in it would be seen.
        assert (plain - reference).abs().max() > 1e-2 * reference.abs().max()


def test_looking_ahead_leaves_the_weights_as_they_were() -> None:
    made = engine()
    before = [weight.detach().clone() for weight in made.net.weights()]
    made.architecture_gradients(next(made.weight_batches), next(made.arch_batches))
    assert all(map(torch.equal, made.net.weights(), before))


def test_the_same_training_batch_is_looked_ahead_to_and_then_taken() -> None:
    made = engine()
    position = made.weight_batches.state()["position"]
    made.step()
    assert made.weight_batches.state()["position"] == position + 1
