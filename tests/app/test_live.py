"""Work on a scene is told in its folder, obeys those who watch, and a session follows what is written there."""

import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
import torch
from pages import until
from rich.console import Console
from small_capture import blobs

from semsplat.app import live, scene, train
from semsplat.app.follow import GONE, LOCKED, Follow
from semsplat.app.live import Live
from semsplat.app.plan import Request
from semsplat.app.session import Session
from semsplat.distill import field as fields
from semsplat.distill.field import StoredField


def test_what_goes_on_is_told_and_nothing_is_left(tmp_path):
    with live.live(tmp_path, "distilling labels", obeys=False) as told:
        assert live.read(tmp_path) is None
        told.count(3, 10, "lifting views", 12.0)
        facts = live.read(tmp_path)
        assert (facts.what, facts.done, facts.of, facts.state, facts.obeys) == (
            "distilling labels", 3, 10, "running", False,
        )  # fmt: skip
        told.count(4, 10, "lifting views", 11.0)  # at once: not worth writing
        assert live.read(tmp_path).done == 3
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_not_believed_for_long(tmp_path, monkeypatch):
    Live(tmp_path, "fitting").count(1, 2, "", 0.0)
    assert live.read(tmp_path) is not None
    now = time.time()
    monkeypatch.setattr("semsplat.app.live.time.time", lambda: now + live.LOST + 1)
    assert live.read(tmp_path) is None
    (tmp_path / live.LIVE).write_text("{")
    assert live.read(tmp_path) is None


@pytest.mark.slow
def test_a_pause_lasts_until_somebody_resumes(tmp_path):
    told = Live(tmp_path, "fitting")
    assert not told.wishes_stop()
    told.count(1, 2, "", 0.0)
    live.wish(tmp_path, "pause")
    ended = []
    thread = threading.Thread(target=lambda: ended.append(told.wishes_stop()))
    thread.start()
    until(lambda: live.read(tmp_path).state == "paused")
    live.wish(tmp_path, "resume")
    thread.join(10)
    assert ended == [False]
    assert live.read(tmp_path).state == "running"
    live.wish(tmp_path, "stop")
    assert told.wishes_stop()


def test_a_session_follows_new_gaussians_and_new_features(fitted):
    session, heard = Session.at(fitted), []
    session.listen(heard.append)
    follow = Follow(session, every=0.05)
    scene.write_gaussians(fitted, blobs()[:50])
    until(lambda: len(session.gaussians) == 50)
    assert heard[-1].what == "scene"
    ids, ones = blobs().ids, torch.ones(len(blobs()))
    fields.save(fitted, StoredField("appearance", ids, ones[:, None], ones, torch.ones(1, 3)))
    until(lambda: "appearance" in session.meaning.fields)
    assert heard[-1].said == "Features of appearance arrived"
    shutil.rmtree(fitted)
    until(lambda: heard[-1].said == GONE)
    assert len(session.gaussians) == 50  # what was there stays
    follow.stop()


def test_while_a_fit_goes_on_edits_are_off(fitted):
    session = Session.at(fitted)
    follow = Follow(session, every=0.05)
    with live.live(fitted, live.FITTING) as told:
        told.count(1, 2, "loss 0.1", 5.0)
        until(lambda: session.locked == LOCKED)
        assert session.work.text == "loss 0.1"
    until(lambda: session.locked is None)
    assert session.work is None
    follow.stop()


@pytest.mark.slow
def test_a_fit_stops_and_saves_when_a_watcher_wants_it(photos, tmp_path):
    folder, ended = tmp_path / "room", []
    request = Request(folder, photos, steps=100_000, cap=200, points=False)
    thread = threading.Thread(target=lambda: ended.append(train.run(request, Console(quiet=True))))
    thread.start()
    until(lambda: (facts := live.read(folder)) and facts.done > 20, 60)
    live.wish(folder, "stop")
    thread.join(60)
    assert ended == [train.INTERRUPTED]
    assert scene.load_checkpoint(folder).numbers["step"] > 20
    assert live.read(folder) is None


@pytest.mark.slow
def test_a_fit_is_shown_while_it_goes_on_and_afterwards(photos, tmp_path):
    folder = tmp_path / "room"
    options = ["--steps", "100000", "--cap", "300", "--no-points", "--view", "--port", "0"]
    command = [sys.executable, "-m", "semsplat.app.cli", "train", str(photos), "-o", str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # it is a pipe
        try:
            line = next(line for line in process.stdout if line.startswith("Watch it grow: "))
            url = line.removeprefix("Watch it grow: ").strip()
            assert b"Opening <b>room</b>" in urllib.request.urlopen(url, timeout=60).read()
            assert live.read(folder) is not None  # it goes on
            live.wish(folder, "stop")
            assert any(line.startswith("The page stays until Ctrl-C.") for line in process.stdout)
            assert urllib.request.urlopen(url, timeout=60).status == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == train.INTERRUPTED
        finally:
            process.kill()
    assert scene.load_checkpoint(folder).numbers["step"] > 1
