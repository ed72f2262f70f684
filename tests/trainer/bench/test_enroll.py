from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.errors import DoorwardError
from edge.inference.spec import SHIPPED, load_manifest
from edge.recognition.gallery import Gallery
from edge.recognition.plda import Plda
from edge.recognition.scoring import CentredCosine, Head
from edge.recognition.types import Embedding, Exemplar
from tests.fakes.probes import DIM, cosine_head, direction, plda_head, unit
from trainer.bench.commands import add_bench_commands
from trainer.bench.data import Enrollee, FaceData, open_data
from trainer.bench.enroll import FULL, QUICK, chosen, growth_rows
from trainer.bench.enroll_door import DoorTimes, time_a_door
from trainer.bench.enroll_report import side_by_side, summary
from trainer.bench.growth import Album, grow, probe_scores, searches
from trainer.bench.heads import HEADS, RawCosine, all_heads
from trainer.bench.plots import Axes, Series, line_chart, stacked_bar
from trainer.bench.tables import Scored, parts
from trainer.metrics import fnir_at_fpir, fpir_at

PROBES = 3


def picture(person: int, number: int) -> Embedding:
    """Number 0.. are pictures of one person, alike at a cosine of about 0.85."""
    own, noise = direction(1000 + person), direction(100_000 + 100 * person + number)
    return Embedding(unit(own + 0.42 * noise), 60.0 + number)


def album(sessions: Sequence[int], shots: int = 3) -> Album:
    """People of these sessions, with their pictures."""
    people = [
        Enrollee(
            f"person {n}",
            session,
            tuple(f"{n}/shot {i}" for i in range(shots)),
            tuple(f"{n}/probe {i}" for i in range(PROBES)),
        )
        for n, session in enumerate(sessions)
    ]
    faces = {
        path: picture(n, i) for n, person in enumerate(people) for i, path in enumerate((*person.shots, *person.probes))
    }
    return Album(people, faces)


def without(whole: Album, *paths: str) -> Album:
    return Album(whole.people, {path: face for path, face in whole.faces.items() if path not in paths})


@pytest.mark.parametrize("head", [cosine_head(), plda_head()])
def test_a_table_that_grows_forgets_nobody_and_changes_nobody(head: Head) -> None:
    stages = list(grow(head, album([0, 0, 1, 2, 2]), 3, 0.01))
    assert [(stage.session, len(stage.model.gallery)) for stage in stages] == [(0, 2), (1, 3), (2, 5)]
    assert [len(stage.searches.top) for stage in stages] == [2 * PROBES, 3 * PROBES, 5 * PROBES]
    assert all(stage.searches.right.all() for stage in stages)
    assert all(stage.changed == frozenset() for stage in stages)
    firsts = [stage.searches.of(stage.searches.person < 2).top.tolist() for stage in stages]
    assert firsts[0] == firsts[1] == firsts[2]


class _Drifting(CentredCosine):
    """A head that lets one enrollment change another's score, as a softmax layer does."""

    def scores(self, rows: Any, probes: Any) -> Any:
        return super().scores(rows, probes) / np.float32(len(rows))


def test_a_head_that_changes_others_is_found_out() -> None:
    head = _Drifting("embedder", np.zeros(DIM, np.float32), np.eye(DIM, dtype=np.float32))
    stages = list(grow(head, album([0, 0, 1]), 3, 0.01))
    assert stages[0].changed == frozenset()
    assert stages[1].changed == {"person 0", "person 1"}


def test_people_without_a_face_are_missed_and_name_nobody() -> None:
    whole = album([0, 0, 1])
    faceless = without(whole, *whole.people[1].shots, "0/probe 1", "2/shot 0")
    stage = list(grow(cosine_head(), faceless, 3, 0.01))[-1]
    assert stage.model.gallery.people == ("person 0", "person 2")
    assert stage.searches.right.tolist() == [True, False, True, False, False, False, True, True, True]
    assert stage.searches.top[1] == -np.inf


def test_as_many_shots_are_enrolled_as_were_asked_for() -> None:
    head, whole = plda_head(), album([0, 1])
    for shots in (1, 3):
        gallery = list(grow(head, whole, shots, 0.01))[-1].model.gallery
        first = whole.people[0]
        expected = Gallery.build(head, [Exemplar("x", whole.faces[path]) for path in first.shots[:shots]])
        assert gallery.rows[0].tobytes() == expected.rows[0].tobytes()


def test_rows_tell_of_old_and_new_people_and_whose_scores_changed() -> None:
    whole = without(album([0, 0, 1, 2]), "0/probe 0", "3/probe 0")
    stages = list(grow(cosine_head(), whole, 3, 0.01))
    rows = {(r["measure"], r.get("session")): r for r in growth_rows({"head": "PLDA", "k": 3}, whole, stages)}
    assert rows["rank1 old", 0]["value"] == rows["rank1 old", 2]["value"] == pytest.approx(5 / 6)
    assert rows["rank1 old", 2]["n"] == 6
    assert rows["rank1 new", 1]["value"] == 1.0
    assert rows["rank1 new", 2]["value"] == pytest.approx(2 / 3)
    assert rows["rank1 all new", 2]["value"] == pytest.approx(5 / 6)
    assert rows["others changed", 2]["value"] == 0
    assert ("rank1 new", 0) not in rows


def test_part_of_a_table_scores_as_a_table_of_those_people_alone() -> None:
    whole, head = album([0] * 4 + [1] * 2), plda_head()
    gallery = list(grow(head, whole, 3, 0.01))[-1].model.gallery
    strangers = [picture(50 + n, 0) for n in range(30)]
    scored = Scored.of(whole, gallery, {"test": [*strangers, None]})
    part = scored.part("test", np.array([1, 4]))
    alone = Gallery.build(
        head, [Exemplar(p.person, whole.faces[path]) for p in (whole.people[1], whole.people[4]) for path in p.shots]
    )
    assert part.gallery.people == alone.people
    assert part.gallery.rows.tobytes() == alone.rows.tobytes()
    assert part.strangers[:30].tolist() == alone.best_scores([head.project(e) for e in strangers]).tolist()
    assert part.strangers[30] == -np.inf  # no face names nobody
    assert len(part.searches.top) == 2 * PROBES
    assert len(part.others) == 4 * PROBES
    assert fnir_at_fpir(part.searches, part.strangers, 0.01)[0] == 0
    assert fpir_at(part.strangers, part.own_threshold(0.01)) <= 0.1


def test_draws_of_one_seed_share_nobody_and_seeds_differ() -> None:
    drawn = parts(11, 5, seeds=2)
    assert [len(part) for part in drawn] == [5, 5, 5, 5]
    assert not set(drawn[0]) & set(drawn[1])
    assert drawn[0].tolist() != drawn[2].tolist()
    assert parts(11, 5, seeds=2)[3].tolist() == drawn[3].tolist()


def test_an_empty_table_finds_nobody() -> None:
    whole = album([0, 1])
    scores = probe_scores(Gallery(cosine_head()), whole.probes())
    assert scores.shape == (2 * PROBES, 0)
    assert not searches(scores, (), whole).right.any()


def test_strangers_of_raw_cosine_lie_around_the_cohort_s_mean() -> None:
    mean = 0.6 * direction(7)
    head = RawCosine("embedder", mean, np.eye(DIM, dtype=np.float32) * np.float32(0.64 / DIM))
    drawn = np.stack([p.z for p in head.strangers(400, 1)])
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(np.ones(400), abs=1e-5)
    assert float(drawn.mean(axis=0) @ direction(7)) == pytest.approx(0.6, abs=0.05)
    embedding = picture(1, 0)
    assert head.project(embedding).z == pytest.approx(embedding.x, abs=1e-6)


ENROLL = (
    "#path\tperson\tsession\tuse\tk\n"
    "bea/2.jpg\tbea\t1\tenroll\t2\nbea/1.jpg\tbea\t1\tenroll\t1\nbea/3.jpg\tbea\t1\tprobe\t0\n"
    "ann/1.jpg\tann\t0\tenroll\t1\nann/2.jpg\tann\t0\tprobe\t0\n"
)


def data_with(folder: Path, enroll: str, strangers: str = "cid/1.jpg\n") -> FaceData:
    for path in ("ann/1.jpg", "ann/2.jpg", "bea/1.jpg", "bea/2.jpg", "bea/3.jpg", "cid/1.jpg"):
        (folder / "lfw" / path).parent.mkdir(parents=True, exist_ok=True)
        Pillow.new("RGB", (40, 40), (90, 90, 90)).save(folder / "lfw" / path)
    (folder / "lists").mkdir()
    (folder / "lists" / "lfw_dev_enroll.tsv").write_text(enroll, "utf-8")
    (folder / "lists" / "lfw_dev_impostors.txt").write_text(strangers, "utf-8")
    return open_data(folder)


def test_people_are_read_by_session_with_their_shots_in_order(tmp_path: Path) -> None:
    data = data_with(tmp_path, ENROLL)
    assert data.enrollees() == [
        Enrollee("ann", 0, ("ann/1.jpg",), ("ann/2.jpg",)),
        Enrollee("bea", 1, ("bea/1.jpg", "bea/2.jpg"), ("bea/3.jpg",)),
    ]
    assert data.strangers("test") == ["cid/1.jpg"]


@pytest.mark.parametrize(
    ("enroll", "words"),
    [
        (ENROLL.replace("bea/1.jpg\tbea\t1", "bea/1.jpg\tbea\t0"), "bea is in two sessions"),
        (ENROLL.replace("\tprobe\t0\nann", "\tenroll\t3\nann"), "bea needs a picture to enroll and another"),
        (ENROLL.replace("\t1\tenroll\t2", "\tone\tenroll\t2"), "line 2: not path, person, session"),
        (ENROLL.replace("enroll\t1\nann/2", "enrol\t1\nann/2"), "line 5: not path, person, session"),
        (ENROLL.replace("\t1\t", "\t0\t"), "needs two sessions"),
        (ENROLL.replace("bea/3", "bea/9"), r"names bea/9\.jpg, which is not in"),
        ("", "needs two sessions"),
    ],
)
def test_a_list_that_will_not_do_is_named_with_what_is_wrong(tmp_path: Path, enroll: str, words: str) -> None:
    with pytest.raises(DoorwardError, match=words) as caught:
        data_with(tmp_path, enroll).enrollees()
    assert "lfw_dev_enroll.tsv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_strangers_who_are_not_there_are_named(tmp_path: Path) -> None:
    data = data_with(tmp_path, ENROLL, "# nobody\n")
    with pytest.raises(DoorwardError, match=r"lfw_dev_impostors\.txt: names no picture"):
        data.strangers("test")
    with pytest.raises(DoorwardError, match=r"lfw_dev_impostors_calib\.txt: no such list"):
        data.strangers("calibration")


def test_a_list_that_is_no_text_is_named(tmp_path: Path) -> None:
    data = data_with(tmp_path, ENROLL)
    (tmp_path / "lists" / "lfw_dev_enroll.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DoorwardError, match=r"lfw_dev_enroll\.tsv: cannot be read as text"):
        data.enrollees()


def test_a_quick_run_takes_the_first_of_each_session_and_a_full_one_all() -> None:
    people = [Enrollee(f"{s}-{n}", s, ("a",), tuple("bcdefg")) for s in range(5) for n in range(6)]
    quick = chosen(people, QUICK)
    assert [p.person for p in quick] == [f"{s}-{n}" for s in range(3) for n in range(4)]
    assert all(p.probes == tuple("bcd") for p in quick)
    assert chosen(people, FULL) == people


def test_people_in_whose_pictures_no_door_finds_a_face_are_an_error_of_one_line(tmp_path: Path) -> None:
    data = data_with(tmp_path, ENROLL)
    with pytest.raises(DoorwardError, match="nobody of the enrollment list has pictures that a door would enroll"):
        time_a_door(data, data.enrollees(), SHIPPED, sizes=(2,), repeats=1)


def test_a_door_that_fails_is_told_with_its_reason(tmp_path: Path) -> None:
    data = data_with(tmp_path, ENROLL)
    with pytest.raises(DoorwardError, match=r"the door's half of the bench failed: .*models\.json") as caught:
        time_a_door(data, data.enrollees(), tmp_path / "no models", sizes=(2,), repeats=1)
    assert "\n" not in str(caught.value)


def test_times_are_told_by_clock_and_step_with_what_a_full_table_costs() -> None:
    steps = {"night views": [3.0, 5.0], "total": [10.0, 30.0]}
    small = {"commit": [2.0, 2.0], "row": [1.0, 1.0], "threshold": [7.0, 9.0], "score": [50.0, 50.0]}
    large = {"commit": [4.0, 4.0], "row": [2.0, 2.0], "threshold": [10.0, 12.0], "score": [50.0, 50.0]}
    clocks = {"ms": steps, "cpu_ms": steps}
    tables = {"9": {"ms": small, "cpu_ms": small}, "10": {"ms": large, "cpu_ms": small}}
    asked = {"10": {"status": [900.0]}, "100": {"status": [1.0, 2.0], "people_list": [3.0, 103.0]}}
    times = DoorTimes(clocks, [True, False], 1, tables, asked)
    told = times.summary()
    assert told["enroll_to_recognized_ms"] == 20.0
    assert told["person_10_over_person_9"] == pytest.approx(17 / 11)
    assert told["person_10_over_person_9_cpu"] == 1.0
    assert told["request_ms_p99"] == pytest.approx(100.0), "of the largest house"
    rows = {(r["measure"], r.get("people"), r.get("step"), r.get("clock")): r for r in times.rows()}
    assert rows["one more person", 10, "sum", "ms"]["value"] == 17.0
    assert rows["last shot to recognized", None, "night views", "ms"]["value"] == 4.0
    listing = rows["request answered while recognizing", 100, "people_list", "ms"]
    assert (listing["n"], listing["value"], listing["max"]) == (2, 53.0, 103.0)
    assert listing["p99"] == pytest.approx(102.0)
    named = rows["recognized on the next frame", None, None, None]
    assert (named["n"], named["value"], named["failed"]) == (2, 0.5, 1)


def test_a_chart_marks_every_point_and_escapes_names() -> None:
    chart = line_chart(Axes("a < b", "x", "y"), [Series("<one>", [(1, 2), (3, 4)], [(1, 3), (2, 6)])])
    assert chart.count("<circle") == 2
    assert "<one>" not in chart
    assert "&lt;one&gt;: 3, 4" in chart
    assert "a &lt; b" in chart
    with pytest.raises(ValueError, match="nothing to draw"):
        line_chart(Axes("log", "x", "y", log=True), [Series("s", [(1, 0)])])
    bar = stacked_bar("parts", [("a", 1.0), ("b", 3.0)])
    assert 'width="510.0"' in bar


def parse(*words: str) -> argparse.Namespace:
    top = argparse.ArgumentParser()
    add_bench_commands(top.add_subparsers())
    return top.parse_args(["bench", "enroll", *words])


@pytest.mark.facedata
def test_a_quick_run_has_every_cell_and_forgets_nobody(
    facedata: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "enroll.json", tmp_path / "enroll.html"
    arguments = parse("--data", str(facedata), "--quick", "--json", str(file), "--html", str(page))
    assert arguments.run(arguments) == 0
    report = json.loads(file.read_text("utf-8"))
    found = report["summary"]
    assert found["others_changed"] == 0
    assert found["forgetting"] == pytest.approx(0, abs=0.1)
    assert found["rank1_old"] > 0.85
    assert found["rank1_new"] > 0.85
    assert found["enroll_to_recognized_ms"] > 0
    assert 0 < found["request_ms_p99"] < 5000
    for shots in (1, 3, 5):
        assert 0 <= found[f"fnir_fpir_1pct_k{shots}"] < 0.4
    assert found["fpir_realised_over_target"] >= 0
    heads = {row["head"] for row in report["rows"] if row["measure"] == "fnir"}
    assert heads == {"raw cosine", "centred cosine", "PLDA"}
    cells = {(row["head"], row["k"], row["people"], row["fpir"]) for row in report["rows"] if row["measure"] == "fnir"}
    assert len(cells) == 3 * 3 * 2 * 2
    assert all(
        r["low"] <= r["value"] <= r["high"] for r in report["rows"] if r["measure"] == "fnir" and r["people"] > 5
    )
    steps = {row["step"] for row in report["rows"] if row["measure"] == "last shot to recognized"}
    assert steps == {"night views", "commit", "row", "threshold", "next frame", "total"}
    assert page.read_text("utf-8").count("<svg") == 5
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) < 120
    assert summary(report["rows"])["rank1_old"] == found["rank1_old"]
    lines = [line for line in side_by_side(report["rows"]) if line["measure"] == "rank1 old" and line["k"] == 3]
    assert [line["session"] for line in lines] == [0, 1, 2]
    assert isinstance(lines[0]["raw cosine"], str)


def test_the_learned_head_is_the_one_that_ships() -> None:
    heads = all_heads(load_manifest().pick("embedder"))
    assert tuple(heads) == HEADS
    assert isinstance(heads["PLDA"], Plda)
    assert isinstance(heads["centred cosine"], CentredCosine)
