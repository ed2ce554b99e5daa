"""What layers become in a super-net."""

from ftso_cli.spaces.layers import BatchNorm, Conv, Identity, Pool, Relu, Sum, for_search


def test_in_a_super_net_batch_norm_has_no_weights_and_follows_every_pool() -> None:
    layers = (Relu(), Conv(8, 8), BatchNorm(8), Pool("max", 8, stride=2))
    searched = (Relu(), Conv(8, 8), BatchNorm(8, affine=False), Pool("max", 8, stride=2), BatchNorm(8, affine=False))
    assert for_search(layers) == searched
    assert for_search((Sum((layers, (Identity(),))), Relu())) == (Sum((searched, (Identity(),))), Relu())
