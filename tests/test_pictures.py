"""Pictures read and written: every format, every place that a text can stand in."""

import gzip
import io
import struct
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from webui.errors import InvalidRequest
from webui.pictures import SUFFIXES, Chunk, Format, Header, decode, encode, exif, hidden, look, xmp

TEXT = (
    'a "cat", 猫\r\n\U0001f431 \u2028\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, Seed: 1'
)
RECORD = '{"a": "<b> & \\"c\\" &lt; &quot;"}'


def saved(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def corners(width=48, height=32):
    """Red top left, green top right, blue bottom left, white bottom right."""
    image = Image.new("RGB", (width, height))
    half = (width // 2, height // 2)
    colours = {(0, 0): (255, 0, 0), (1, 0): (0, 255, 0), (0, 1): (0, 0, 255), (1, 1): (255,) * 3}
    for (x, y), colour in colours.items():
        image.paste(colour, (x * half[0], y * half[1], (x + 1) * half[0], (y + 1) * half[1]))
    return image


def seen(image):
    """The four corners, as far as a lossy format keeps them."""
    points = [
        (4, 4),
        (image.width - 5, 4),
        (4, image.height - 5),
        (image.width - 5, image.height - 5),
    ]
    return [tuple(round(level / 255) for level in image.getpixel(point)) for point in points]


CORNERS = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)]


# --- written and read ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "kinds"),
    [
        ("png", ("PNG", "iTXt", "tEXt", "parameters")),
        ("jpeg", ("JPEG", "EXIF", "XMP", "UserComment")),
        ("webp", ("WEBP", "EXIF", "XMP", "UserComment")),
        ("avif", ("AVIF", "EXIF", "XMP", "UserComment")),
    ],
)
def test_a_picture_of_ours_carries_both_texts_in_every_format(format, kinds):
    data, suffix = encode(corners(), Format(format), TEXT, RECORD)
    name, text_kind, record_kind, chunk = kinds
    assert suffix == SUFFIXES[format]
    assert look(data) == Header(
        name, 48, 32, "RGB", 1,
        (Chunk(chunk, text_kind, TEXT), Chunk("darkroom", record_kind, RECORD)),
    )  # fmt: skip
    assert look(data).parameters == TEXT
    assert seen(decode(data)) == CORNERS


def test_quality_counts():
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    for format in ("jpeg", "webp", "avif"):
        small, large = (len(encode(noise, Format(format, q), "", "")[0]) for q in (10, 95))
        assert small < large / 2


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
def test_the_exif_is_what_pillow_and_a1111s_readers_find(format):
    data, _ = encode(corners(), Format(format), TEXT, RECORD)
    with Image.open(io.BytesIO(data)) as image:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment == b"UNICODE\0" + TEXT.encode("utf-16-be")


@pytest.mark.parametrize(
    ("text", "record"), [("猫" * 40_000, "{}"), ("x", '"' + "y" * 70_000 + '"')]
)
def test_what_does_not_fit_in_a_jpeg_is_a_png_and_whole(text, record):
    data, suffix = encode(corners(), Format("jpeg"), text, record)
    assert suffix == ".png"
    header = look(data)
    assert (header.format, header.parameters, header.text("darkroom")) == ("PNG", text, record)
    for format in ("webp", "avif"):
        header = look(encode(corners(), Format(format), text, record)[0])
        assert (header.parameters, header.text("darkroom")) == (text, record)


def test_a_sheet_too_wide_for_webp_is_a_png():
    data, suffix = encode(Image.new("RGB", (16_384, 8)), Format("webp"), "x", "{}")
    assert (suffix, look(data).width) == (".png", 16_384)


# --- texts of others ----------------------------------------------------------------------------


def png_with(*chunks):
    data = saved(Image.new("RGB", (8, 8)), "PNG")
    extra = b"".join(
        struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return data[:33] + extra + data[33:]


def test_every_text_chunk_of_a_png_is_found_wherever_it_stands():
    info = PngInfo()
    info.add_text("parameters", "caf\xe9")
    info.add_text("squeezed", "x" * 5000, zip=True)
    info.add_itxt("both", "猫" * 100, zip=True)
    data = saved(Image.new("L", (8, 8)), "PNG", pnginfo=info, exif=exif.block("in EXIF"))
    late = b"tEXtlate\0after the pixels"
    late = struct.pack(">I", len(late) - 4) + late + struct.pack(">I", zlib.crc32(late))
    assert look(data[:-12] + late + data[-12:]).chunks == (
        Chunk("parameters", "tEXt", "caf\xe9"),
        Chunk("squeezed", "zTXt", "x" * 5000),
        Chunk("both", "iTXt", "猫" * 100),
        Chunk("UserComment", "EXIF", "in EXIF"),
        Chunk("late", "tEXt", "after the pixels"),
    )


@pytest.mark.parametrize(
    "chunk",
    [(b"zTXt", b"k\0\0garbage"), (b"zTXt", b""), (b"iTXt", b"k\0"), (b"iTXt", b"k\0\1\0\0\0bad"),
     (b"tEXt", b""), (b"eXIf", b""), (b"eXIf", b"II*\0\xff\xff\xff\xff")],
)  # fmt: skip
def test_a_damaged_chunk_hides_no_other(chunk):
    header = look(png_with(chunk, (b"tEXt", b"parameters\0fine")))
    assert header.parameters == "fine"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"UNICODE\0" + "a 猫".encode("utf-16-be"), "a 猫"),
        (b"UNICODE\0" + "a 猫".encode("utf-16-le"), "a 猫"),
        (b"UNICODE\0" + b"\xff\xfe" + "猫".encode("utf-16-le"), "猫"),
        (b"UNICODE\0" + b"\xfe\xff" + "猫".encode("utf-16-be"), "猫"),
        (b"UNICODE\0" + ("一" * 99 + "\nSteps: 1").encode("utf-16-be"), "一" * 99 + "\nSteps: 1"),
        (b"UNICODE\0" + ("一" * 99 + "\nSteps: 1").encode("utf-16-le"), "一" * 99 + "\nSteps: 1"),
        (b"UNICODE\0" + "odd".encode("utf-16-be") + b"\0", "odd\ufffd"),
        (b"ASCII\0\0\0plain", "plain"),
        (bytes(8) + b"unsaid\0\0", "unsaid"),
        ("bare 猫".encode(), "bare 猫"),
        (b"bare caf\xe9", "bare caf\xe9"),
        (b"JIS\0\0\0\0\0\x1b$B", None),
        (b"UNICODE\0", None),
    ],
)
def test_a_user_comment_is_read_in_the_codes_that_programs_write(value, text):
    assert exif.decoded(value) == text


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_of_both_byte_orders_is_read(order):
    comment = b"UNICODE\0" + TEXT.encode("utf-16-le" if order == "<" else "utf-16-be")
    tiff = struct.pack(
        order + "2sHIHHHIHHHHIIIHHHIII",
        b"II" if order == "<" else b"MM", 42, 8,
        2, 0x0112, 3, 1, 6, 0, 0x8769, 4, 1, 38, 0,
        1, 0x9286, 7, len(comment), 56, 0,
    )  # fmt: skip
    found = exif.read(tiff + comment)
    assert found == exif.Exif(6, (Chunk("UserComment", "EXIF", TEXT),))


def test_a_comment_of_a_gif_or_a_jpeg_is_a_text():
    assert look(saved(Image.new("P", (8, 8)), "GIF", comment=TEXT.encode())).parameters == TEXT
    assert look(saved(corners(), "JPEG", comment=TEXT)).parameters == TEXT


def test_a_foreign_xmp_packet_is_shown_and_no_record():
    assert xmp.read(b"<x:xmpmeta/>") == [Chunk("xmp", "XMP", "<x:xmpmeta/>")]
    assert xmp.read(b"<darkroom:recipe>{") == [Chunk("xmp", "XMP", "<darkroom:recipe>{")]


# --- pixels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_picture_is_turned_as_its_exif_says(format, orientation):
    turned = Image.Exif()
    turned[0x0112] = orientation
    undo = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    stored = corners() if undo is None else corners().transpose(undo)
    image = decode(saved(stored, format, exif=turned, quality=95))
    assert (image.mode, image.size, seen(image)) == ("RGB", (48, 32), CORNERS)


def test_every_mode_becomes_rgb():
    grey = Image.new("L", (8, 8), 128)
    deep = Image.frombytes("I;16", (8, 8), struct.pack("<H", 128 * 257) * 64)
    clear = Image.new("LA", (8, 8), (0, 0))
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    expected = [
        (saved(grey, "PNG"), "L", (128, 128, 128)),
        (saved(deep, "PNG"), "I;16", (128, 128, 128)),
        (saved(clear, "PNG"), "LA", (255, 255, 255)),
        (saved(palette, "PNG"), "P", (10, 20, 30)),
        (saved(palette, "PNG", transparency=1), "P", (255, 255, 255)),
        (saved(half, "PNG"), "RGBA", (127, 127, 127)),
        (saved(Image.new("1", (8, 8), 1), "PNG"), "1", (255, 255, 255)),
        (saved(Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "JPEG"), "CMYK", (0, 0, 0)),
        (saved(grey, "JPEG"), "L", (128, 128, 128)),
        (saved(half, "WEBP", lossless=True), "RGBA", (127, 127, 127)),
        (saved(half, "AVIF"), "RGBA", (127, 127, 127)),
        (saved(palette, "GIF"), "P", (10, 20, 30)),
        (saved(Image.new("RGB", (8, 8), (1, 2, 3)), "BMP"), "RGB", (1, 2, 3)),
    ]
    for data, mode, colour in expected:
        assert look(data).mode == mode
        image = decode(data)
        assert (image.mode, image.size, image.getpixel((3, 3))) == ("RGB", (8, 8), colour)
    assert decode(saved(half, "PNG"), (0, 0, 0)).getpixel((0, 0)) == (0, 0, 0)


def test_of_an_animation_the_first_frame_counts():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for format in ("GIF", "PNG", "WEBP", "AVIF"):
        data = saved(frames[0], format, save_all=True, append_images=frames[1:])
        red, _, blue = decode(data).getpixel((4, 4))
        assert red > 250 and blue < 5


def test_a_picture_that_ends_too_soon_is_refused_by_name():
    for format in ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP"):
        data = saved(Image.effect_noise((64, 64), 90).convert("RGB"), format)
        for length in (len(data) // 2, len(data) // 10, 20):
            with pytest.raises(InvalidRequest) as raised:
                decode(data[:length])
            assert raised.value.field == "picture"


# --- hidden in the pixels -----------------------------------------------------------------------


def stealthy(payload, signature, size=(64, 64), bits=None):
    """As Forge writes it: the text down the columns, one bit a channel."""
    mode = "RGB" if b"rgb" in signature else "RGBA"
    body = signature + struct.pack(">I", len(payload) * 8 if bits is None else bits) + payload
    image = Image.effect_noise(size, 50).convert(mode)
    stream = iter("".join(f"{byte:08b}" for byte in body))
    for x in range(size[0]):
        for y in range(size[1]):
            levels = list(image.getpixel((x, y)))
            for channel in range(3) if mode == "RGB" else [3]:
                levels[channel] = levels[channel] & 254 | int(next(stream, "0"))
            image.putpixel((x, y), tuple(levels))
    return image


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
@pytest.mark.parametrize("place", ["png", "rgb"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_text_in_the_lowest_bits_is_found(format, place, packed):
    signature = f"stealth_{place}{'comp' if packed else 'info'}".encode()
    payload = gzip.compress(TEXT.encode()) if packed else TEXT.encode()
    data = saved(stealthy(payload, signature), format, lossless=True, exact=True)
    assert look(data).parameters is None
    assert hidden(data, look(data)) == Chunk("parameters", "stealth", TEXT)


@pytest.mark.parametrize(
    ("payload", "bits"),
    [(b"", 0), (b"x", 7), (b"x", 2**32 - 8), (b"no gzip", None),
     (gzip.compress(b"x" * 2**20 + b"x"), None)],
)  # fmt: skip
def test_a_signature_with_nonsense_behind_it_hides_nothing(payload, bits):
    image = stealthy(payload, b"stealth_pngcomp", (128, 128), bits)
    data = saved(image, "PNG")
    assert hidden(data, look(data)) is None


def test_a_length_beyond_the_last_pixel_hides_nothing():
    data = saved(stealthy(b"x", b"stealth_pnginfo", (128, 128), 3000 * 8), "PNG")
    assert hidden(data, look(data)) is None


def test_a_plain_picture_hides_nothing():
    for image in (corners(), corners().convert("RGBA"), Image.new("RGB", (2, 2))):
        data = saved(image, "PNG")
        assert hidden(data, look(data)) is None
    assert hidden(b"", Header("PNG", 8192, 8192, "RGB")) is None  # too large to be decoded for it
