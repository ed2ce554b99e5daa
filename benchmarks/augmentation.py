"""What augmentation costs: microseconds an image of each policy, with flips and normalisation, on one thread.

Images are random, in memory, 3 channels; policies take turns. The best of the repeats is told, in processor time, for
a busy machine slows the others. A table goes to stderr, one JSON line to stdout.

    OMP_NUM_THREADS=1 python benchmarks/augmentation.py --repeats 20
"""

import argparse
import json
import sys
import time
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from ftso_cli.data import Augmentation
from ftso_cli.data.batching.policies import SMALL, LightAugmentation, StrongAugmentation
from ftso_cli.training.step.mixing import Mixing

Work = Callable[[Tensor], object]


def policies(size: int) -> dict[str, Work]:
    """The policies for images of this size, and mixing, which comes on top."""
    padding, generator = size // 8, Generator().manual_seed(0)
    of_light = padding if size <= SMALL else 0
    augmentations = {
        "none": Augmentation(padding=0),
        "cifar": Augmentation(padding=padding),
        "light": LightAugmentation(padding=of_light),
        "strong": StrongAugmentation(padding=of_light, cutout=size // 4),
    }

    def work(augment: Augmentation) -> Work:
        return lambda images: augment(images, normalise, generator)

    def mixed(mixing: Mixing) -> Work:
        return lambda images: mixing(images.float(), torch.zeros(len(images), dtype=torch.int64), 0)

    found = {name: work(augment) for name, augment in augmentations.items()}
    found["mixup"] = mixed(Mixing(mixup=0.2, cutmix=0, seed=0))
    found["cutmix"] = mixed(Mixing(mixup=0, cutmix=1, seed=0))
    return found


def normalise(images: Tensor) -> Tensor:
    """As a data set normalises its images."""
    return images.float().sub_(127.0).div_(64.0)


def microseconds(size: int, batch_size: int, repeats: int) -> dict[str, float]:
    """The best microseconds an image of every policy."""
    images = torch.randint(0, 256, (batch_size, 3, size, size), dtype=torch.uint8, generator=Generator().manual_seed(0))
    best: dict[str, float] = {}
    for turn in range(repeats + 1):
        for name, work in policies(size).items():
            started = time.process_time()
            work(images)
            if turn:
                best[name] = min(best.get(name, float("inf")), 1e6 * (time.process_time() - started) / batch_size)
    return {name: round(value, 1) for name, value in best.items()}


def main() -> None:
    """Measures, prints a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {size: microseconds(size, options.batch_size, options.repeats) for size in options.sizes}
    for name in next(iter(found.values())):
        print(f"{name:<8}" + "".join(f"{values[name]:10.1f} us" for values in found.values()), file=sys.stderr)
    print(json.dumps({"batch_size": options.batch_size, "repeats": options.repeats, "microseconds": found}))


if __name__ == "__main__":
    main()
