"""Bringing pictures of any size to one size: the centre cut out, the whole between bars, or stretched."""

from dataclasses import dataclass

from PIL import Image, ImageOps

from ftso_cli.spaces.sets import Resize

Size = tuple[int, int]
"""Height and width in pixels."""

MOST = 32_000_000
"""Pixels of a picture as it is scaled."""


@dataclass(frozen=True)
class ImageOptions:
    """The images asked for: their size (None: the set's own), and how they are brought to it.

    With `nested`, images in folders within a class folder are images of that class. With a `fold` as (2, 5), the second
    of five parts of the training images tests what is trained on the others.
    """

    size: Size | None = None
    resize: Resize = "crop"
    nested: bool = False
    fold: tuple[int, int] | None = None


AS_IT_IS = ImageOptions()
"""Images as the set has them."""


@dataclass(frozen=True)
class Placement:
    """A picture scaled to `size`; its corner lies at `top` and `left` of the image, negative where it is cut."""

    size: Size
    top: int
    left: int


@dataclass(frozen=True)
class Frame:
    """The `size` of images, and what is done to pictures of other sizes.

    crop: the picture is scaled until it covers the image, and the centre is cut out. pad: it is scaled until all of it
    is seen, between black bars. stretch: it is scaled to the size, whatever becomes of its shape. With `margin` it
    covers 8/7 of the size before the centre is cut out, as in tests on ImageNet: 256 for 224 pixels.
    """

    size: Size
    resize: Resize = "crop"
    margin: bool = False

    @property
    def reach(self) -> Size:
        """The size that a picture covers before the centre is cut out of it."""
        height, width = self.size
        return (round(height * 256 / 224), round(width * 256 / 224)) if self.margin else self.size

    def place(self, height: int, width: int) -> Placement:
        """Return the place of a picture of this height and width."""
        down, across = self.reach
        wide = width * down >= height * across
        if self.resize == "stretch":
            size = self.size
        elif self.resize == "crop":
            size = (
                (down, max(across, int(down * width / height)))
                if wide
                else (max(down, int(across * height / width)), across)
            )
        elif wide:
            size = max(1, round(across * height / width)), across
        else:
            size = down, max(1, round(down * width / height))
        top, left = (_centred(own, scaled) for own, scaled in zip(self.size, size, strict=True))
        return Placement(size=size, top=top, left=left)


def _centred(frame: int, picture: int) -> int:
    """The first row or column of a picture in the middle of a frame."""
    return (frame - picture) // 2 if picture <= frame else -round((picture - frame) / 2)


def framed(picture: Image.Image, frame: Frame) -> Image.Image:
    """A picture as an image of the frame's size, by bilinear interpolation with antialiasing."""
    height, width = frame.size
    if picture.size == (width, height) and not frame.margin:
        return picture
    placed = frame.place(picture.height, picture.width)
    rows, columns = placed.size
    # Of a picture of a hundred thousand columns, scaled up, only the centre is computed; it has no margin.
    if frame.resize == "crop" and (not frame.margin or rows * columns > MOST):
        return ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    image = Image.new(picture.mode, (width, height))
    image.paste(picture.resize((columns, rows), Image.Resampling.BILINEAR), (placed.left, placed.top))
    return image
