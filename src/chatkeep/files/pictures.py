"""Reads pictures, with Pillow. Runs in the process of `child.py` alone.

A picture is decoded only if its head promises a bearable number of pixels. Its orientation (EXIF 2.32, tag 0x0112) is
applied, and all of its metadata left out: places, cameras, names.
"""

import io
from contextlib import suppress

from PIL import Image, ImageOps

from chatkeep.files.jobs import MAX_PICTURE_PIXELS, Answer

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
"""The formats that are read; all other code of Pillow is left alone."""
_TURNED = (5, 6, 7, 8)
"""Orientations in which width and height change places."""
_ORIENTATION = 0x0112
JPEG_QUALITY = 85

Image.MAX_IMAGE_PIXELS = None  # checked here, with a message of ours


def inspect_picture(content: bytes) -> Answer:
    """Return the type and size of a picture, as it is shown."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        orientation = 1
        with suppress(Exception):  # metadata that cannot be read says nothing
            orientation = image.getexif().get(_ORIENTATION, 1)
        if orientation in _TURNED:
            width, height = height, width
        return Answer(media_type=image.get_format_mimetype(), width=width, height=height)


def scale_picture(content: bytes, edge: int) -> Answer:
    """Return a picture whose longer edge has at most `edge` pixels: as PNG if it is transparent, else as JPEG."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        if image.width * image.height > MAX_PICTURE_PIXELS:
            return Answer(problem=f"the picture has more than {MAX_PICTURE_PIXELS:,} pixels")
        image.draft("RGB", (edge, edge))  # a JPEG is decoded smaller, which takes less time and memory
        return encode_picture(ImageOps.exif_transpose(image), edge)


def encode_picture(image: Image.Image, edge: int) -> Answer:
    """Return `image` as PNG or JPEG, its longer edge having at most `edge` pixels."""
    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    if image.mode in ("I;16", "I", "F"):
        image = ImageOps.autocontrast(image.convert("F").convert("L"))
    flat = image.convert("RGBA" if has_alpha else "RGB")
    flat.thumbnail((edge, edge))
    flat.info.clear()
    out = io.BytesIO()
    if has_alpha:
        flat.save(out, "PNG")
    else:
        flat.save(out, "JPEG", quality=JPEG_QUALITY)
    media_type = "image/png" if has_alpha else "image/jpeg"
    return Answer(media_type=media_type, width=flat.width, height=flat.height, pictures=[out.getvalue()])
