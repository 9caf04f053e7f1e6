"""Run the benches of docs/performance.md and put their tables into it; JSON and plots go to docs/performance/.

    python bench/performance.py --peer-python PEER/bin/python [--only library node scale networks shares] [--quick]
    python bench/performance.py --tables-only

PEER has mediapipe 0.10.21 and rclpy: the head of bench/node.py says how to make it. All of it takes about a quarter
of an hour, in which nothing else should run. Missed targets are told and do not end it. Needs the extra ``bench``.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import library
import node
import node_sides
import scale

BENCH = Path(__file__).resolve().parent
DOCUMENT = BENCH.parent / "docs" / "performance.md"
RESULTS = BENCH.parent / "docs" / "performance"
WITH_PEER, WITH_PLOT, WITH_QUICK = ("library", "node"), ("library", "node", "scale"), ("library", "node", "scale")
SHORTER = {"networks": ["--rounds", "20"], "shares": ["--blocks", "8"]}
BENCHES = ("library", "node", "scale", "networks", "shares")
NETWORKS = {"mesh": {468: "mesh", 478: "attention"}, "short": "detector_short", "full": "detector_full"}
Report = dict[str, Any]


def run(name: str, peer_python: Path, quick: bool) -> None:
    """Run a bench; raise SystemExit where it brings no results."""
    path = RESULTS / f"{name}.json"
    fresh = path.with_suffix(".new")  # a run that is cut short leaves the last results
    fresh.unlink(missing_ok=True)
    words = [sys.executable, str(BENCH / f"{name}.py"), "--json", str(fresh), *SHORTER.get(name, ())]
    words += ["--plot", str(path.with_suffix(".png"))] if name in WITH_PLOT else []
    words += ["--peer-python", str(peer_python)] if name in WITH_PEER else []
    words += ["--quick"] if quick and name in WITH_QUICK else []
    print(f"== {name}", flush=True)
    subprocess.run(words, check=False)
    if not fresh.exists():
        raise SystemExit(f"performance.py: {name}.py has brought no results; what it says is above")
    fresh.replace(path)


def read(name: str) -> Report:
    """Return the results of a bench; raise SystemExit where there are none."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        raise SystemExit(f"performance.py: there is no {path}: run it with --only {name}")
    report: Report = json.loads(path.read_text(encoding="utf-8"))
    return report


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, the first column to the left."""
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def machine_text() -> str:
    """Say where and with what it was measured."""
    report = read("library")
    where, sides = report["machine"], report["sides"]
    packages = ", ".join(f"{name} {version}" for name, version in where["packages"].items() if name != "cv2")
    return (
        f"{where['processor']}, {where['cores']} cores that may be used, {where['system']}, Python {where['python']}, "
        f"{packages}; the peer is {sides['peer']['version']} on Python {sides['peer']['python']}."
    )


def targets_text() -> str:
    """Return every target beside what was measured."""
    rows = [
        [
            f"library: {row['name']}",
            f"{row['target']:g} ×",
            f"{row['wall_ratio']:.2f} ×",
            library.verdict(row).split()[1],
        ]
        for row in read("library")["rows"]
        if row["target"] is not None
    ]
    for case in read("node")["cases"]:
        if case["is_target"]:
            for measure, target in node.TARGETS.items():
                ratio = case[f"{measure}_ratio"] or 0.0
                result = "met" if ratio >= target else "missed"
                rows.append([f"node: {measure}, 1280×720, 30 Hz", f"{target:g} ×", f"{ratio:.2f} ×", result])
    grown = scale.growth_mb(read("scale")["memory_mb"])
    result = "met" if grown <= scale.MOST_GROWTH_MB else "missed"
    rows.append(["memory over 10 000 images", f"{scale.MOST_GROWTH_MB:g} MB", f"{grown:.2f} MB", result])
    return markdown(("case", "at least (memory: at most)", "measured", ""), rows)


def bounds_text() -> str:
    """Return how far the cases with targets are from what their networks' multiplications would take."""
    networks = read("networks")["networks"]
    rows = []
    for row in read("library")["rows"]:
        case = row["case"]
        if row["target"] is None or case["intra_op"] > 1:
            continue
        by_points = NETWORKS[case["kind"]]
        network = networks[by_points if isinstance(by_points, str) else by_points[case["points"]]]
        alone, bound, ours = (case["faces"] * network["ms"]["cpu"], case["faces"] * network["bound_ms"], row["ours"])
        cpu_ms = ours["cpu_ms"]
        rows.append([row["name"], f"{bound:.2f}", f"{alone:.2f}", f"{cpu_ms:.2f}", f"{cpu_ms / bound:.1f} ×"])
    return markdown(("case", "FLOP bound, ms", "networks alone, ms", "CPU of an image, ms", "over the bound"), rows)


def shares_text() -> str:
    """Return where the time of an image goes."""
    cases = read("shares")["cases"]
    headings = ("image", "network", "calibrated", *cases[0]["us"], "neither network nor warp")
    return markdown(
        headings,
        (
            [
                "×".join(map(str, case["size_wh"])),
                case["network"],
                "yes" if case["camera"] else "no",
                *(f"{us:.0f}" for us in case["us"].values()),
                f"{100 * case['neither_network_nor_warp']:.0f} %",
            ]
            for case in cases
        ),
    )


def stages_text() -> str:
    """Return what our node says of the stages of an image, beside its latency and its CPU."""
    cases = read("node")["cases"]
    headings = ("images", *node_sides.STAGES, "mean latency", "CPU of the process")
    rows = []
    for case in cases:
        (width, height), ours = case["size_wh"], case["ours"]
        measured = [*ours["stages_ms"].values(), ours["latency_mean_ms"], ours["cpu_ms"]]
        rows.append([f"{width}×{height}, {case['rate_hz']:g} Hz", *(f"{ms:.2f}" for ms in measured)])
    return markdown(headings, rows)


def scale_text() -> str:
    """Return the table of bench/scale.py and its lines."""
    report = read("scale")
    table = markdown(scale.HEADINGS, scale.table_rows(report))
    return table + "\n\n" + "\n".join(f"- {line}" for line in scale.slope_lines(report))


SECTIONS: dict[str, Callable[[], str]] = {
    "machine": machine_text,
    "targets": targets_text,
    "library": lambda: markdown(library.HEADINGS, map(library.cells, read("library")["rows"])),
    "node": lambda: markdown(node.HEADINGS, node.table_rows(read("node")["cases"])),
    "stages": stages_text,
    "scale": scale_text,
    "bounds": bounds_text,
    "shares": shares_text,
}


def filled(document: str, sections: dict[str, str]) -> str:
    """Return the document with each section between its markers, ``<!-- name -->`` and ``<!-- /name -->``.

    Raises:
        SystemExit: a section has no markers.
    """
    for name, text in sections.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(document):
            raise SystemExit(f"performance.py: the document has no {begin} … {end}: put them where the table belongs")
        document = pattern.sub(lambda _, whole=f"{begin}\n{text}\n{end}": whole, document)
    return document


def main() -> int:
    """Run what is asked for, fill in the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, help="of an environment with the peer and rclpy")
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=BENCHES, help="default: all")
    parser.add_argument("--quick", action="store_true", help="each bench's quick form: to try this out")
    parser.add_argument("--tables-only", action="store_true", help="run nothing, fill in from the JSON files")
    args = parser.parse_args()
    names = () if args.tables_only else args.only
    if args.peer_python is None and set(names) & set(WITH_PEER):
        parser.error("--peer-python is needed: the head of bench/node.py says how to make that environment")
    RESULTS.mkdir(exist_ok=True)
    for name in names:
        run(name, args.peer_python, args.quick)
    text = filled(DOCUMENT.read_text(encoding="utf-8"), {name: section() for name, section in SECTIONS.items()})
    DOCUMENT.write_text(text, encoding="utf-8")
    print(f"{DOCUMENT} is up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
