"""Files as users bring them, made here: pictures, PDFs, text."""

import io
import wave
from collections.abc import Sequence

from PIL import Image

ORIENTATION = 0x0112
"""The EXIF tag that says how a picture was held."""
MAKE = 0x010F
"""The EXIF tag with the camera's maker."""


def picture(format_: str = "PNG", size: tuple[int, int] = (40, 30), color: str = "red", mode: str = "RGB") -> bytes:
    """A picture of one colour."""
    out = io.BytesIO()
    Image.new(mode, size, color).save(out, format_)
    return out.getvalue()


def turned_photo(size: tuple[int, int] = (80, 40)) -> bytes:
    """A photo that was taken upright, as phones store it: lying, with a note of it, and of the camera."""
    image = Image.new("RGB", size, "red")
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = 6, "Camera"
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def pdf(pages: Sequence[str], *, font_size: float = 12, trailer: str = "") -> bytes:
    """A PDF with a line of text on each page; an empty one has none."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    fonts = "/Resources << /Font << /F1 3 0 R >> >>"
    for number, text in enumerate(pages):
        stream = f"BT /F1 {font_size} Tf 20 100 Td ({text}) Tj ET" if text else "0 0 50 50 re f"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 200] /Contents {5 + 2 * number} 0 R {fonts} >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    out = b"%PDF-1.4\n"
    places: list[int] = []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{each}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    head = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\n"
    return out + f"{head}startxref\n{len(out)}\n%%EOF\n".encode()


def encrypted_pdf() -> bytes:
    """A PDF that wants a password (ISO 32000-1, 7.6.3)."""
    key = "<" + "5a" * 32 + ">"
    encrypt = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O {key} /U {key} /P -4 >> /ID [<aa> <aa>]"
    return pdf(["secret"], trailer=encrypt)


def recording(seconds: int = 1) -> bytes:
    """A silent WAV of 16,000 samples a second."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(32_000 * seconds))
    return out.getvalue()


MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" + bytes(413)
"""A silent MP3: a tag without frames, and a frame of 128 kbit a second."""
