from soil_pyg.reports.runs import Summary
from soil_pyg.reports.table import Share, Table


def test_columns_of_numbers() -> None:
    rows = [["a", 1, Summary(0.5, 0.1), "x", None], ["b", None, 2.0, 3, None]]
    table = Table("Values", ["name", "n", "mean", "mixed", "none"], rows)
    assert [table.is_number(column) for column in range(5)] == [False, True, True, False, False]
    assert Table("Shares", ["share"], [[Share(0.5)]]).is_number(0)
    assert not Table("Empty", ["n"], []).is_number(0)
