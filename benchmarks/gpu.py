"""One run on a machine with an NVIDIA GPU, one JSON: is the CUDA side right, and how fast is it?

    python benchmarks/gpu.py --out gpu.json                     everything, within eight minutes
    python benchmarks/gpu.py --wheels FOLDER --out gpu.json     install what is missing from wheels in a folder first:
                                                                gsplat, and beartype for the tests
    python benchmarks/gpu.py --only products lifting            some parts
    python benchmarks/gpu.py --dry-run                          every line on a CPU, tiny: its figures mean nothing

Scenes are generated, the capture comes with the package. Each part runs in a process that it may break: what fails or
takes too long is recorded under its name, and the rest goes on in another process. The JSON is written after every
part. Exit status 0 if all went well, 1 if something did not, 2 where there is no GPU.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SECONDS = 460.0  # for all parts; eight minutes, less what starting takes
BUDGETS = {  # seconds a part may take, in the order in which they run: what matters most comes first
    "machine": 30,
    "build": 280,
    "ceilings": 30,
    "compare": 60,  # the kernels of the CPU are compiled, too
    "feature_map": 40,
    "text_query": 30,
    "lifting": 60,
    "products": 130,
    "tests": 170,
    "memory": 60,
    "training_speed": 60,
    "viewer": 30,
    "blocks": 45,
    "training": 70,
}
STARTING = 120.0  # seconds until a worker begins: torch is imported
DRY_BUDGET = 900.0  # of any part, in Triton's interpreter


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Is the CUDA side right, and how fast? Prints one JSON.")
    parser.add_argument("--only", nargs="+", choices=list(BUDGETS), default=list(BUDGETS), help="parts to run")
    parser.add_argument("--out", type=Path, help="also write the JSON here, after every part")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"for all parts ({SECONDS:g})")
    parser.add_argument("--wheels", type=Path, help="folder of wheels; what is not installed is, from there")
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes on the CPU, Triton interpreted")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)  # where a worker writes what it finds
    return parser.parse_args()


def main() -> int:
    options = parse()
    if options.dry_run:  # before anything imports Triton
        os.environ |= {"TRITON_INTERPRET": "1", "CUDA_HOME": "/nonexistent", "CUDA_VISIBLE_DEVICES": ""}
    if options.worker is not None:
        sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
        return work(options)
    import torch

    if not options.dry_run and not torch.cuda.is_available():
        print("benchmarks/gpu.py needs an NVIDIA GPU, and torch sees none here.", file=sys.stderr)
        return 2
    found: dict[str, Any] = {"benchmark": "gpu", "commit": commit(), "dry_run": options.dry_run}
    if options.wheels is not None:
        found["installed"] = guarded(lambda: install(options.wheels))
    supervise(options, found)
    print(json.dumps(found, indent=1))
    return 1 if has_error(found) else 0


# ------------------------------------------------------------------------------------------------- parts and processes


def supervise(options: argparse.Namespace, found: dict[str, Any]) -> None:
    """Run the parts in a worker; a new one for the rest when it breaks or hangs."""
    ends, left = time.monotonic() + options.seconds, list(options.only)
    with tempfile.TemporaryDirectory(prefix="semsplat-gpu-") as folder:
        file = Path(folder) / "found.jsonl"
        while left:
            done = read(file)
            worker = begin(options, left, file)
            try:
                left = watch(options, worker, file, done, left, found, ends)
            finally:  # also when somebody breaks it off
                if worker.poll() is None:
                    stop(worker)
            save(options, found)


def begin(options: argparse.Namespace, left: list[str], file: Path) -> subprocess.Popen:
    command = [sys.executable, __file__, "--worker", str(file), "--only", *left]
    return subprocess.Popen(command + ["--dry-run"] * options.dry_run, stdout=sys.stderr, start_new_session=True)


def watch(
    options: argparse.Namespace,
    worker: subprocess.Popen,
    file: Path,
    done: int,
    left: list[str],
    found: dict[str, Any],
    ends: float,
) -> list[str]:
    """Take in what the worker finds; gives the parts that another worker must do."""
    left, began, counted = list(left), time.monotonic(), False
    while left:
        running = worker.poll() is None
        for name, result in lines(file)[done:]:
            found[name], done, began = result, done + 1, time.monotonic()
            left.remove(name)
            save(options, found)
        if not left or not running:
            break
        begun = Path(f"{file}.{left[0]}.begun").exists()
        began = began if begun == counted else time.monotonic()
        counted, budget = begun, DRY_BUDGET if options.dry_run else BUDGETS[left[0]] if begun else STARTING
        spent, over = time.monotonic() - began, time.monotonic() > ends
        if spent > budget or (over and not options.dry_run):
            stop(worker)
            why = f"not finished after {spent:.0f} s" if spent > budget else "no time was left for it"
            found[left[0]] = {"error": why, "partial": partial(file, left[0])}
            if spent > budget:
                return left[1:]
            found |= {name: {"error": "no time was left for it"} for name in left[1:]}
            return []
        time.sleep(0.1)
    status = worker.wait()
    if left and status != FRESH:  # it died in the first of them
        found[left[0]] = {"error": f"the process ended with status {status}", "partial": partial(file, left[0])}
        return left[1:]
    return left


FRESH = 7  # exit status of a worker that wants a new process for the rest


def work(options: argparse.Namespace) -> int:
    """The worker: one part after the other, a line of JSON each."""
    import gpu_parts

    machine = gpu_parts.dry() if options.dry_run else gpu_parts.real()
    for name in options.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        began = time.perf_counter()
        notes = Path(f"{options.worker}.{name}")
        Path(f"{options.worker}.{name}.begun").touch()
        result = guarded(lambda name=name, notes=notes: gpu_parts.PARTS[name](machine, notes))
        result["seconds"] = round(time.perf_counter() - began, 1)
        with options.worker.open("a") as file:
            file.write(json.dumps([name, result]) + "\n")
        if has_error(result) and name != options.only[-1] and not options.dry_run:
            return FRESH  # an error on a GPU spoils what comes after it in the process
    return 0


def lines(file: Path) -> list[tuple[str, dict[str, Any]]]:
    whole = file.read_text().split("\n")[:-1] if file.exists() else []  # what is after the last end is being written
    return [tuple(json.loads(line)) for line in whole]


def read(file: Path) -> int:
    return len(lines(file))


def partial(file: Path, name: str) -> Any:
    """What a part that did not finish has noted on its way."""
    notes = Path(f"{file}.{name}")
    return json.loads(notes.read_text()) if notes.exists() else None


def stop(worker: subprocess.Popen) -> None:
    """End the worker and what it started: it leads a session of its own."""
    os.killpg(worker.pid, 9)
    worker.wait()


def save(options: argparse.Namespace, found: dict[str, Any]) -> None:
    if options.out is not None:
        fresh = options.out.with_name(f".{options.out.name}.new")
        fresh.write_text(json.dumps(found, indent=1) + "\n")
        fresh.replace(options.out)


def guarded(work: Any) -> dict[str, Any]:
    """What the work finds, or what went wrong."""
    import traceback

    try:
        return work()
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        found = {**getattr(error, "found", {}), "error": said[:2000], "where": traceback.format_exc()[-1500:]}
        return found | ({"cause": str(error.__cause__)[-6000:]} if error.__cause__ else {})  # all that a compiler said


def has_error(found: Any) -> bool:
    """Whether some part, or a part of one, went wrong."""
    if isinstance(found, list):
        return any(map(has_error, found))
    return isinstance(found, dict) and ("error" in found or any(map(has_error, found.values())))


def install(folder: Path) -> dict[str, Any]:
    """Install the wheels of packages that are not here, and nothing that they would bring."""
    from importlib.metadata import PackageNotFoundError, version

    missing = []
    for wheel in sorted(folder.glob("*.whl")):
        try:
            version(wheel.name.split("-")[0])
        except PackageNotFoundError:
            missing.append(str(wheel))
    if missing:
        base = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet"]
        extra = ["--break-system-packages"] if sys.prefix == sys.base_prefix else []
        subprocess.run([*base, *extra, *missing], check=True, capture_output=True, text=True, timeout=120)
        importlib.invalidate_caches()
    return {"wheels": [Path(wheel).name for wheel in missing]}


def commit() -> str | None:
    """Of the working tree, with a + if it was changed."""
    git = ["git", "-C", str(ROOT)]
    try:
        said = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
        return said + ("+" if changed.stdout.strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return None


if __name__ == "__main__":
    sys.exit(main())
