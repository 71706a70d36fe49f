from importlib.metadata import version

from soil_bench.runs.host import versions_of_distributions


def test_versions_of_what_is_installed() -> None:
    assert versions_of_distributions(["torch", "no-such"]) == {"torch": version("torch")}
