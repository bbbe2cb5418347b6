"""Exports: every number of the summary is in the tables, and nothing else."""

import csv
import json

import networkx
import pytest

import dynaghost as dg
from dynaghost.export import export, tables
from dynaghost.summary import document


@pytest.fixture(scope="module")
def result():
    return dg.analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.1, 0.3)])


def test_csv_holds_the_lists_of_the_summary(result, tmp_path):
    export(result, tmp_path, "csv")
    whole = document(result)
    for name in ("checkpoints", "points", "events", "verdicts"):
        with open(tmp_path / f"{name}.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(whole[name])
    with open(tmp_path / "points.csv", newline="", encoding="utf-8") as file:
        points = list(csv.DictReader(file))
    assert [float(row["x0"]) for row in points] == [point["x"][0] for point in whole["points"]]
    assert [row["kind"] for row in points] == [point["kind"] for point in whole["points"]]


def test_json_and_graphml(result, tmp_path):
    (path,) = export(result, tmp_path, "json")
    assert json.loads(path.read_text()) == document(result)
    (path,) = export(result, tmp_path, "graphml")
    assert set(networkx.read_graphml(path).nodes) == set(result.graph.nodes)


def test_parquet(result, tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    export(result, tmp_path, "parquet")
    table = pyarrow.read_table(tmp_path / "points.parquet").to_pydict()
    assert table["x0"] == [row["x0"] for row in dict(tables(result))["points"]]


def test_an_unknown_format_is_refused(result, tmp_path):
    with pytest.raises(dg.DynaghostError, match="expected one of csv, parquet, graphml, json, got 'xls'"):
        export(result, tmp_path, "xls")


def test_the_command(result, tmp_path, monkeypatch, capsys):
    from dynaghost.cli import main

    result.save(tmp_path / "out")
    monkeypatch.setattr("sys.argv", ["dynaghost", "export", str(tmp_path / "out"), "--format", "csv"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert (tmp_path / "out" / "export" / "events.csv").is_file()
    assert "wrote" in capsys.readouterr().out
