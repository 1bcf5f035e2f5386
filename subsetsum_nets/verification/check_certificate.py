"""A second opinion on a certificate: one file, exact integers, nothing but Python's standard library.

    python check_certificate.py DIR [CERTIFICATE]
    python check_certificate.py F G CERTIFICATE

reads DIR/target.safetensors (f), DIR/pruned.safetensors (g) and DIR/certificate.json, or the files named, and
proves anew that ||f(x) - g(x)|| <= bound for every x of the domain. It shares no code with the package and
runs without it. Exit code 0: CONFIRMED; 1: REFUSED, a claim is not proven here; 2: BAD INPUT.

Every finite float64 is an integer times 2**-1074, so a *number* below is the integer X that stands for
X * 2**-1074. A product of two numbers is an integer times 2**-2148; `up` and `root_up` make it a number
again, rounded outward, and nothing else rounds. A bound that float64 rounded up is a number too, hence never
below the one computed here. docs/checking.md has the mathematics on a page.
"""

import hashlib
import itertools
import json
import math
import struct
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

BITS = 1074
ONE = 1 << BITS  # the number that stands for 1
MOST = 6_000_000  # weights of a network, or units of a layer: 3 GB or so; more for files that you trust
FLOATS, INDICES = {"F64": "d", "F32": "f", "F16": "e"}, {"I64": "q", "I32": "i"}
Domain = tuple[list[int], list[int], tuple[list[int], int] | None]  # low, high; center, radius of a ball
CLAIM = (
    "f is the {} and g the {}, both as functions in real arithmetic with exactly the stored float64 weights; "
    "for every x in the domain, ||f(x) - g(x)|| <= bound in the stated norm."
)
TICKET = CLAIM.format("target", "pruned random network")
SCALED = TICKET.replace("- g(x)", "- 2^-t g(x)")[:-1] + ", where t is exact.outputs."
CLAIMS = (
    *(("subsetsum-nets certificate", 1, claim) for claim in (TICKET, SCALED)),
    ("subsetsum-nets pair certificate", 1, CLAIM.format("network of target_digest", "one of pruned_digest")),
)


class BadFileError(RuntimeError):
    """A file that is missing, damaged, foreign, or not the one that the certificate names."""


class RefusedError(RuntimeError):
    """A claim of the certificate that is not proven here."""


class Layer(NamedTuple):
    """x -> weight x + bias, then a ReLU or not; a row holds the (column, number) of its nonzero weights."""

    rows: list[list[tuple[int, int]]]
    bias: list[int]
    inputs: int
    relu: bool


def need(condition: bool, message: str, error: type[RuntimeError] = BadFileError) -> None:
    """Stop with a message unless the condition holds."""
    if not condition:
        raise error(message)


def number(value: Any) -> int:
    """Return the integer that stands for a float or int, exactly."""
    need(type(value) in (int, float) and math.isfinite(value), f"{value!r} is not a finite number")
    numerator, denominator = value.as_integer_ratio()  # exact; the denominator is a power of two
    return int(numerator * ONE // denominator)  # nothing is left over


def up(product: int) -> int:
    """Return the least number that is not below a product of two, or a sum of such; -up(-x): not above."""
    return -(-product >> BITS)


def root_up(product: int) -> int:
    """Return the least number that is not below the square root of it."""
    root = math.isqrt(product)
    return root if root * root == product else root + 1


def read_network(path: Path, stated: str) -> list[Layer]:
    """Read the layers of a network; the SHA-256 of all that they were made of must be as stated."""
    tensors, page = read_tensors(path)
    relu_after, kinds, image = page["relu_after"], page["layers"], page.get("input_shape") or []
    need({type(relu) for relu in relu_after} == {bool}, f"{path.name} does not say where a ReLU follows")
    layers: list[Layer] = []
    digest = hashlib.sha256(b"subsetsum-nets network digest 1\0")

    def add(code: str, *values: Any) -> None:
        digest.update(struct.pack(f"<{len(values)}{code}", *values))

    def take(name: str, shape: list[int], codes: dict[str, str] = FLOATS) -> list[Any]:
        code, found, values = tensors.pop(name)
        need(code in codes and found == shape, f"{path.name}: {name} is {code} of shape {found}")
        return values

    add("q", len(kinds), *relu_after)
    for index, (relu, kind) in enumerate(zip(relu_after, kinds, strict=True)):
        name = f"layers.{index}.weight"
        if kind["kind"] == "conv":
            name = f"layers.{index}.kernel"
            shape = tensors[name][1]
            add("q", 0, 4, *shape)
            add("d", *(kernel := take(name, shape)))
            need(len(image) == 3, f"{path.name}: {name} gets no images of known size")
            inputs = math.prod(image)
            rows, image = unrolled(kernel, shape, image, kind)
            outputs = shape[3]
        elif kind["kind"] == "dense":
            outputs, inputs = tensors[name][1]
            need(outputs > 0 < inputs, f"{path.name}: {name} is empty")
            add("q", 0, 2, outputs, inputs)
            add("d", *(values := take(name, [outputs, inputs])))
            rows = [entries(range(inputs), values[at : at + inputs]) for at in range(0, len(values), inputs)]
        else:
            need(kind["kind"] == "sparse", f"{path.name}: {name} is {kind['kind']!r}, which is not checked")
            outputs, inputs = kind["shape"]
            need(0 < inputs <= MOST, f"{path.name}: {name} has {inputs} columns")
            (count,) = tensors[f"{name}.data"][1]
            values = take(f"{name}.data", [count])
            starts = take(f"{name}.indptr", [outputs + 1], INDICES)
            columns = take(f"{name}.indices", [count], INDICES)
            add("q", 1, 2, outputs, inputs, count, *starts, *columns)
            add("d", *values)
            need(starts[0] == 0 and starts[-1] == len(values), f"{path.name}: {name} has other rows")
            rows = []
            for start, end in itertools.pairwise(starts):
                row = columns[start:end]
                proper = start <= end and row == sorted(set(row)) and all(0 <= j < inputs for j in row)
                need(proper, f"{path.name}: {name} is not a sparse array")
                rows.append(entries(row, values[start:end]))
        image = image if kind["kind"] == "conv" else []
        need(not layers or inputs == len(layers[-1].rows), f"{path.name}: {name} does not fit what is before")
        bias = take(f"layers.{index}.bias", [outputs]) if kind["bias"] else []
        add("q", *((1, 0, 1, outputs) if kind["bias"] else (0,)))
        add("d", *bias)
        if options := {key: kind[key] for key in kind.keys() & {"stride", "padding", "dilation", "groups"}}:
            text = json.dumps(options, sort_keys=True).encode()
            add("Q", 1 << 63, len(text))
            digest.update(text)
        biases = [number(b) for b in bias] or [0] * outputs  # of a convolution the same at every pixel
        layers.append(Layer(rows, biases * (len(rows) // outputs), inputs, relu))
    add("q", *(page.get("input_shape") or ()))
    need(not tensors, f"{path.name} has arrays that its header does not mention")
    need(digest.hexdigest() == stated, f"{path.name} is not the network that was certified (SHA-256)")
    return layers


def entries(columns: Iterable[int], values: list[Any]) -> list[tuple[int, int]]:
    """Return the (column, number) of the nonzero values of a row."""
    return [(j, number(w)) for j, w in zip(columns, values, strict=True) if w != 0]


def unrolled(
    kernel: list[Any], shape: list[int], image: list[int], kind: dict[str, Any]
) -> tuple[list[list[tuple[int, int]]], list[int]]:
    """Return the rows of a convolution of images [h, w, channels], and the images that it gives.

    Output pixel (i, j) sees pixel (i s + p d - top, j t + q e - left), if the image has it, through the entry
    (rows - 1 - p, columns - 1 - q) of the kernel: s, t are the strides, d, e the dilations, and top, left
    zeros before the image. The outputs of a group see the channels of their group.
    """
    (h, w, channels), (rows, columns, c_in, c_out) = image, shape
    (s, t), (d, e) = kind.get("stride", [1, 1]), kind.get("dilation", [1, 1])
    padding, groups = kind.get("padding", "same"), kind.get("groups", 1)
    sizes = (h, w, channels, rows, columns, c_in, c_out, s, t, d, e, groups)
    need(all(type(size) is int and size > 0 for size in sizes), f"a convolution has a size of {sizes}")
    fits = channels == c_in * groups and c_out % groups == 0
    need(fits, f"a kernel {shape} is not for {channels} channels")
    vertical, horizontal = (padding, padding) if isinstance(padding, str) else padding
    (high, top), (wide, left) = windows(h, rows, s, d, vertical), windows(w, columns, t, e, horizontal)
    large = max(h * w * channels, high * wide * len(kernel))
    need(large <= MOST, "a convolution has more than MOST weights, written out", RefusedError)
    numbers = [number(value) for value in kernel]
    found = []
    for i, j, output in itertools.product(range(high), range(wide), range(c_out)):
        row, group = [], output // (c_out // groups)
        for p, q, c in itertools.product(range(rows), range(columns), range(c_in)):
            a, b = i * s + p * d - top, j * t + q * e - left
            weight = numbers[(((rows - 1 - p) * columns + columns - 1 - q) * c_in + c) * c_out + output]
            if 0 <= a < h and 0 <= b < w and weight:
                row.append(((a * w + b) * channels + group * c_in + c, weight))
        found.append(row)
    return found, [high, wide, c_out]


def windows(pixels: int, places: int, stride: int, dilation: int, padding: Any) -> tuple[int, int]:
    """Return how many windows of a kernel lie along an axis of an image, and the zeros before it."""
    reach = dilation * (places - 1) + 1
    if padding in ("same", "same_upper"):
        count = -(-pixels // stride)
        zeros = max(0, (count - 1) * stride + reach - pixels)
        return count, zeros // 2 if padding == "same_upper" else zeros - zeros // 2
    before, after = padding
    need(type(before) is type(after) is int and min(before, after) >= 0, f"{padding!r} is no padding")
    count = (pixels + before + after - reach) // stride + 1
    need(count > 0, "the windows of a convolution do not fit its images")
    return count, before


def read_tensors(path: Path) -> tuple[dict[str, tuple[str, list[int], list[Any]]], dict[str, Any]]:
    """Return (type, shape, entries) of every array of a .safetensors file, and our own header in it."""
    raw = read(path)
    size = int.from_bytes(raw[:8], "little")
    header, body = parsed(raw[8 : 8 + size]), raw[8 + size :]
    page = parsed(header.pop("__metadata__")["subsetsum-nets"])
    known = page["version"] in ((2, 3) if "input_shape" in page else (1,))
    known = known and page["format"] == "subsetsum-nets network"
    need(known, f"{path.name} is not a subsetsum-nets network of version 1 to 3")
    tensors, end = {}, 0
    for name, array in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        layout = f"<{math.prod(array['shape'])}{(FLOATS | INDICES)[array['dtype']]}"
        start, end = end, end + struct.calcsize(layout)
        need(array["data_offsets"] == [start, end], f"{path.name}: {name} does not fill its place")
        tensors[name] = (array["dtype"], array["shape"], list(struct.unpack(layout, body[start:end])))
    need(end == len(body), f"{path.name} is longer than its arrays")
    return tensors, page


def read(path: Path) -> bytes:
    """Return the bytes of a regular file; a pipe would hang, a device never end."""
    fits = path.is_file() and path.stat().st_size <= 9 * MOST
    need(fits, f"a file is missing or damaged: {path.name} is no regular file of at most {9 * MOST} bytes")
    return path.read_bytes()


def parsed(text: bytes | str) -> Any:
    """Return what a JSON text holds; no object in it gives a key twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(pairs) == len(dict(pairs)), "a JSON object gives a key twice")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once)


def read_certificate(path: Path) -> dict[str, Any]:
    """Read a certificate of the claim that is checked here, unedited."""
    page: dict[str, Any] = parsed(read(path))
    claim = page["format"], page["version"], page["semantics"]
    need(claim in CLAIMS, f"{path.name} makes another claim")
    stated, text = page.pop("digest"), json.dumps(page, sort_keys=True, separators=(",", ":"))
    edited = stated != hashlib.sha256(text.encode()).hexdigest()
    need(not edited, f"{path.name} was edited: its own digest does not match")
    return page


def read_domain(page: dict[str, Any], inputs: int) -> Domain:
    """Read the domain of a certificate; one number stands for all coordinates."""

    def vector(value: Any) -> list[int]:
        values = [number(v) for v in (value if isinstance(value, list) else [value] * inputs)]
        need(len(values) == inputs, f"the domain has {len(values)} coordinates, the target {inputs} inputs")
        return values

    if page["kind"] == "box":
        return vector(page["low"]), vector(page["high"]), None
    need(page["kind"] == "ball", f"{page['kind']!r} is neither a box nor a ball")
    center, radius = vector(page["center"]), number(page["radius"])
    return [c - radius for c in center], [c + radius for c in center], (center, radius)


def layer_errors(layer: Layer, first: Layer, second: Layer) -> list[tuple[list[int], list[int], int]]:
    """Return |P - W|, |N - W| and |c - b|, rounded up, row by row, where the pair stands for ``layer``.

    A hidden unit with the one weight u on input j gives u max(x_j, 0) where u > 0, u min(x_j, 0) where u < 0;
    one without any weight gives a constant. Without a ReLU inside, a hidden unit is any affine function.
    """
    same = (first.inputs, len(second.rows), second.relu) == (layer.inputs, len(layer.rows), layer.relu)
    need(same, "the layers of g do not stand for those of f one by one", RefusedError)
    for row, bias in zip(first.rows, first.bias, strict=True):
        simple = not first.relu or not row or (len(row) == 1 and bias == 0)
        need(simple, "a hidden unit of g has more than one input, or an input and a bias", RefusedError)
    errors = []
    for i, row in enumerate(layer.rows):
        positive, negative = [0] * layer.inputs, [0] * layer.inputs
        constant = (second.bias[i] - layer.bias[i]) * ONE
        for j, w in row:
            positive[j] = negative[j] = -w * ONE
        for unit, v in second.rows[i]:
            for j, u in first.rows[unit]:
                if u > 0 or not first.relu:
                    positive[j] += v * u
                if u < 0 or not first.relu:
                    negative[j] += v * u
            constant += v * (max(first.bias[unit], 0) if first.relu else first.bias[unit])
        errors.append(([up(abs(e)) for e in positive], [up(abs(e)) for e in negative], up(abs(constant))))
    return errors


def in_pairs(f: list[Layer], g: list[Layer]) -> list[Layer]:
    """Return g as pairs of layers, one for each layer of f: a single layer comes behind the identity."""
    singles, pairs = 2 * len(f) - len(g), list[Layer]()
    need(0 <= singles <= len(f), f"g has {len(g)} layers, f has {len(f)}", RefusedError)
    for index, layer in enumerate(f):
        # Where some are single, those that are f's own, such as pooling.
        single = singles == len(f) - index or (singles > 0 and g[0] == layer)
        if single:
            n, singles = g[0].inputs, singles - 1
            pairs.append(Layer([[(j, ONE)] for j in range(n)], [0] * n, n, relu=False))
        pairs, g = pairs + g[: 2 - single], g[2 - single :]
    return pairs


def deviations(f: list[Layer], g: list[Layer], domain: Domain) -> list[int]:
    """Return a bound of |g - f| over the domain for every output: the recursion of method differential."""
    g = in_pairs(f, g)
    (low, high, ball), before = domain, [0] * f[0].inputs  # before: the deviation of the inputs
    for index, layer in enumerate(f):
        need(len(layer.rows) * layer.inputs <= MOST, "f has a layer of more than MOST weights", RefusedError)
        # How far the inputs of g reach above and below zero; behind a ReLU they are never below.
        above = [max(h + d, 0) for h, d in zip(high, before, strict=True)]
        signed = index == 0 or not f[index - 1].relu
        below = [max(d - lo, 0) if signed else 0 for lo, d in zip(low, before, strict=True)]
        after = []
        errors = layer_errors(layer, g[2 * index], g[2 * index + 1])
        for row, bias, (positive, negative, constant) in zip(layer.rows, layer.bias, errors, strict=True):
            least = -up(-sum(w * (low if w > 0 else high)[j] for j, w in row)) + bias
            most = up(sum(w * (high if w > 0 else low)[j] for j, w in row)) + bias
            sides = list(zip(positive, above, negative, below, strict=True))
            fresh = sum(max(p * a, n * b) for p, a, n, b in sides)
            if index == 0 and ball:  # Cauchy-Schwarz: |w x - w center| <= radius ||w||
                center, radius = ball
                middle = sum(w * center[j] for j, w in row)
                reach = radius * root_up(sum(w * w for _, w in row))
                least, most = max(least, bias - up(reach - middle)), min(most, bias + up(middle + reach))
                counted = [max(p if a else 0, n if b else 0) for p, a, n, b in sides]
                reach = radius * root_up(sum(e * e for e in counted))
                fresh = min(fresh, sum(e * abs(c) for e, c in zip(counted, center, strict=True)) + reach)
            deviation = up(sum(abs(w) * before[j] for j, w in row) + fresh) + constant
            if layer.relu:  # it is 1-Lipschitz, and both units end in [0, most + deviation]
                deviation = min(deviation, max(most + deviation, 0))
                least, most = max(least, 0), max(most, 0)
            after.append((least, most, deviation))
        low, high, before = (list(column) for column in zip(*after, strict=True))
    return before


def shifted(value: int, places: int) -> int:
    """Return value * 2**places where it is an integer."""
    need(places >= 0 or value % (1 << -places) == 0, "a weight is finer than any float64", RefusedError)
    return value << places if places >= 0 else value >> -places


def times(layer: Layer, places: int) -> Layer:
    """Return a layer whose outputs are 2**places times as large."""
    rows = [[(j, shifted(w, places)) for j, w in row] for row in layer.rows]
    return layer._replace(rows=rows, bias=[shifted(bias, places) for bias in layer.bias])


def collapsed(f: list[Layer], g: list[Layer], domain: Domain) -> list[Layer]:
    """Return g without the hidden layers that only carry: equal to g on the domain.

    Units are integers times 2**exponent of a basis that is never negative: j stands for max(x_j, 0), ~j for
    max(-x_j, 0), x being inputs or units of the last layer that bent; ONE for 1. A ReLU takes the positive
    part of a unit whose integers have one sign, or that looks at one input alone.
    """
    units = [{j: int(domain[1][j] > 0), ~j: -int(domain[0][j] < 0)} for j in range(f[0].inputs)]
    exponent, made = 0, list[Layer]()
    like = [
        i for i, layer in enumerate(g[:-1]) if any(len(layer.rows) - len(h.rows) in (0, 1) for h in f[:-1])
    ]
    keep = like if len(like) == len(f) - 1 else []  # layers of f may carry, too
    for index, layer in enumerate(g):
        totals: list[dict[int, int]] = [{ONE: bias << -exponent} for bias in layer.bias]
        for total, row in zip(totals, layer.rows, strict=True):
            for j, w in row:
                for key, value in units[j].items():
                    total[key] = total.get(key, 0) + w * value
        common = math.gcd(1 << BITS - exponent, *(value for total in totals for value in total.values()))
        exponent += common.bit_length() - 1 - BITS
        totals = [{key: value // common for key, value in total.items() if value} for total in totals]
        signs = [{value > 0 for value in total.values()} for total in totals]
        bent = [{max(k, ~k) for k in t} for t, both in zip(totals, signs, strict=True) if len(both) == 2]
        carries = not layer.relu or all(len(seen) == 1 for seen in bent)
        if index + 1 < len(g) and carries and index not in keep:
            units = [{k: v for k, v in total.items() if v > 0 or not layer.relu} for total in totals]
            continue
        rows = []
        for total in totals:
            for key, value in total.items() if not made else ():
                both = key != ONE and domain[0][max(key, ~key)] < 0 < domain[1][max(key, ~key)]
                need(not both or total.get(~key, 0) == -value, f"layer {index} of g bends at 0", RefusedError)
            entries = {max(key, ~key): value if key >= 0 else -value for key, value in total.items()}
            rows.append([(j, shifted(value, exponent + BITS)) for j, value in entries.items() if j != ONE])
        bias = [shifted(total.get(ONE, 0), exponent + BITS) for total in totals]
        made.append(Layer(rows, bias, len(made[-1].rows) if made else f[0].inputs, layer.relu))
        units, exponent = [{j: 1} for j in range(len(totals))], 0
    return made


def in_scale(f: list[Layer], g: list[Layer]) -> list[Layer]:
    """Return g with hidden layers in the scale of f's, by powers of two; a constant unit more is a bias."""
    made = list(g)
    for index, layer in zip(range(len(g) - 1), f, strict=False):
        mine, after, units = made[index], made[index + 1], len(layer.rows)
        sizes = [sum(abs(w) for row in each.rows for _, w in row) for each in (layer, mine)]
        need(not any(mine.rows[units:]), "a hidden layer of g has more units than f's", RefusedError)
        places = (4 * ONE * sizes[1] // (3 * sizes[0])).bit_length() - 1 - BITS if all(sizes) else 0
        for i, row in enumerate(after.rows):
            after.bias[i] += shifted(sum(w * max(mine.bias[j], 0) for j, w in row if j >= units), -BITS)
            after.rows[i] = [(j, shifted(w, places)) for j, w in row if j < units]
        made[index + 1] = after._replace(inputs=units)
        made[index] = times(mine._replace(rows=mine.rows[:units], bias=mine.bias[:units]), -places)
    return made


def bound(f: list[Layer], g: list[Layer], domain: Domain, kind: str, claimed: float) -> int:
    """Return a bound of ||f - g||: by g as it is or, if that proves less than claimed, by what it carries."""
    found = None
    with suppress(RefusedError):
        found = norm(deviations(f, g, domain), kind, root_up)
    if found is None or (claimed < math.inf and found > number(claimed)):
        with suppress(RefusedError):
            carried = norm(deviations(f, in_scale(f, collapsed(f, g, domain)), domain), kind, root_up)
            found = carried if found is None else min(found, carried)
    return norm(deviations(f, g, domain), kind, root_up) if found is None else found  # or say why not


def norm(vector: list[int], kind: str, root: Callable[[int], int]) -> int:
    """Return the norm of a vector of integers >= 0, rounded as ``root`` rounds."""
    return {"l2": root(sum(v * v for v in vector)), "linf": max(vector), "l1": sum(vector)}[kind]


def exact_value(network: list[Layer], x: list[int]) -> list[int]:
    """Return the network's value at x without any rounding, in units of 2**(-BITS (1 + its layers))."""
    for depth, layer in enumerate(network, 1):
        rows = zip(layer.rows, layer.bias, strict=True)
        x = [sum(w * x[j] for j, w in row) + (bias << BITS * depth) for row, bias in rows]
        x = [max(v, 0) for v in x] if layer.relu else x
    return x


def check_witness(page: dict[str, Any], f: list[Layer], g: list[Layer], domain: Domain) -> None:
    """See that f and g differ as much as the certificate says, at the point of the domain it names."""
    x, attack = [number(v) for v in page["witness"]], number(page["attack"]) << BITS * len(g)
    lows, highs, ball = domain
    inside = all(low <= v <= high for low, v, high in zip(lows, x, highs, strict=True))
    if ball:
        inside = inside and sum((v - c) ** 2 for v, c in zip(x, ball[0], strict=True)) <= ball[1] ** 2
    need(inside, "the witness is not a point of the domain", RefusedError)
    finer = BITS * (len(g) - len(f))  # everything in the units of g(x)
    pairs = zip(exact_value(f, x), exact_value(g, x), strict=True)
    reached = norm([abs((a << finer) - b) for a, b in pairs], page["norm"], math.isqrt)
    need(reached >= attack, f"f and g differ by less than {page['attack']!r} at the witness", RefusedError)


def check(folder: str | Path, certificate: str | Path | None = None) -> int:
    """Check a ticket's folder, or its networks against another certificate; see :func:`check_files`."""
    place = Path(folder)
    networks = place / "target.safetensors", place / "pruned.safetensors"
    return check_files(*networks, certificate or place / "certificate.json")


def check_files(target: str | Path, pruned: str | Path, certificate: str | Path) -> int:
    """Return the bound that is proven here, times 2**1074; or raise BadFileError or RefusedError."""
    try:
        page = read_certificate(Path(certificate))
        f = read_network(Path(target), page["target_digest"])
        g = read_network(Path(pruned), page["pruned_digest"])
        domain = read_domain(page["domain"], f[0].inputs)
        if page["semantics"] == SCALED:
            g[-1] = times(g[-1], -page["exact"]["outputs"])
        exact = bound(f, g, domain, page["norm"], page["bound"])
        check_witness(page, f, g, domain)
        asked = None if page["epsilon"] is None else page["bound"] <= page["epsilon"]
        need(page["verified"] is asked, "'verified' is not bound <= epsilon")
        need(page["bound"] < math.inf, "the certificate proves nothing: its bound is infinite", RefusedError)
        found = f"exact integers prove {min(exact, ONE << 1023) / ONE!r} by method 'differential'"
        claimed = f"the certificate claims {page['bound']!r} by {page['method']!r}"
        refusal = f"{found}, {claimed}; only bounds by 'differential' can always be confirmed"
        need(exact <= number(page["bound"]), refusal, RefusedError)
    except (BadFileError, RefusedError):
        raise
    except Exception as bad:  # whatever else foreign or damaged files lead to means the same
        raise BadFileError(f"a file is missing or damaged: {bad!r}") from bad
    return exact


def main(arguments: list[str]) -> int:
    """Check what the command line names; print the verdict and return the exit code."""
    try:
        need(len(arguments) in (1, 2, 3), "usage: check_certificate.py DIR [CERTIFICATE] | F G CERTIFICATE")
        exact = check_files(*arguments) if len(arguments) == 3 else check(*arguments)
        sys.stdout.write(f"CONFIRMED: exact integers prove {exact / ONE!r}, which is enough\n")
    except (BadFileError, RefusedError) as error:
        bad = isinstance(error, BadFileError)
        sys.stdout.write(f"{'BAD INPUT' if bad else 'REFUSED'}: {error}\n")
        return 2 if bad else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
