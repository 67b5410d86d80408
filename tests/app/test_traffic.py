"""What pages send, checked without a server."""

from types import SimpleNamespace

import pytest

from semsplat.app.traffic import MOST_PARTS, Allowance, Nonsense, NotTaken, Uploads


def start(size, parts=1, transfer="t"):
    return SimpleNamespace(size_bytes=size, part_count=parts, transfer_uuid=transfer, filename="a.ply")


def part(size, index=0, transfer="t"):
    return SimpleNamespace(content=bytes(size), part_index=index, transfer_uuid=transfer)


def test_an_allowance_is_paid_back_in_time():
    now = [0.0]
    allowance = Allowance(10, 2.0, lambda: now[0])
    assert [allowance.spend(5) for _ in range(3)] == [0.0, 0.0, 2.5]
    now[0] = 2.5
    assert allowance.spend(1) == 0.5
    now[0] = 1000.0
    assert allowance.spend(10) == 0.0
    assert allowance.spend(1) == 0.5


def test_who_is_refused_does_not_owe_more():
    now = [0.0]
    allowance = Allowance(2, 1.0, lambda: now[0])
    assert [allowance.take() for _ in range(50)] == [True, True] + 48 * [False]
    now[0] = 1.0
    assert [allowance.take(), allowance.take()] == [True, False]


def test_all_parts_of_a_file_pass_once():
    uploads = Uploads(1000)
    uploads.start("page", start(100, 2))
    assert not uploads.part("other", part(10))
    assert uploads.part("page", part(60, 1))
    with pytest.raises(Nonsense):
        uploads.part("page", part(0, 1))
    assert uploads.part("page", part(40, 0))
    assert not uploads.part("page", part(40, 0))
    uploads.start("page", start(1000, 1, "next"))


@pytest.mark.parametrize("index", [-1, 2, 10**12])
def test_a_part_that_the_file_does_not_have_is_nonsense(index):
    uploads = Uploads(1000)
    uploads.start("page", start(100, 2))
    with pytest.raises(Nonsense):
        uploads.part("page", part(1, index))


def test_a_file_cannot_grow_on_the_way():
    uploads = Uploads(1000)
    uploads.start("page", start(100, 3))
    assert uploads.part("page", part(100, 0))
    with pytest.raises(Nonsense):
        uploads.part("page", part(1, 1))


@pytest.mark.parametrize("message", [start(-1), start(5, -1), start(5, MOST_PARTS + 1)], ids=str)
def test_a_file_that_cannot_be_is_nonsense(message):
    with pytest.raises(Nonsense):
        Uploads(1000).start("page", message)


def test_one_page_sends_so_much_at_a_time_and_no_other_waits_for_it():
    uploads = Uploads(1000, pages=2)
    uploads.start("page", start(900))
    with pytest.raises(NotTaken, match="has to wait for the files"):
        uploads.start("page", start(101, transfer="u"))
    with pytest.raises(Nonsense):
        uploads.start("page", start(1))
    uploads.start("other", start(1000, 2))
    uploads.forget("page")
    uploads.start("page", start(1000))
    for name in "abcd":
        uploads.start("third", start(1, transfer=name))
    with pytest.raises(NotTaken):
        uploads.start("third", start(1, transfer="e"))


def test_all_pages_together_hold_only_so_much():
    uploads = Uploads(100, pages=2)
    for page in range(3):
        uploads.start(page, start(100, 2))
    assert uploads.part(0, part(99)) and uploads.part(1, part(99))
    with pytest.raises(NotTaken, match="try again in a minute"):
        uploads.part(2, part(99))
    assert not uploads.part(2, part(1, 1))
    uploads.forget(0)
    uploads.start(0, start(100))
    assert uploads.part(0, part(100))
