"""The tables of the server under load."""

from soil_bench.runs.results import Record
from soil_bench.runs.tables import Report, markdown


def serve_reports(record: Record) -> list[Report]:
    """Returns the tables of latency and throughput, and of memory."""
    rows = [
        [
            str(row["workers"]),
            str(load["connections"]),
            f"{load['requests_per_second']:,.0f}",
            f"{load['p50_ms']:.1f}",
            f"{load['p99_ms']:.1f}",
            f"{load['cpu_ms']:.2f}" if "cpu_ms" in load else "-",
            str(load["failures"]),
        ]
        for row in record["workers"]
        for load in row["loads"]
    ]
    return [
        Report(
            f"Recommendations over HTTP, k = {record['k']}",
            [
                "workers",
                "connections",
                "requests/s",
                "p50 ms",
                "p99 ms",
                "CPU ms per request",
                "failed",
            ],
            rows,
            _notes(record),
        ),
        Report("Memory", ["workers", "PSS MB", "RSS MB"], _memory_rows(record)),
    ]


def serve_lines(record: Record) -> list[str]:
    """Returns the section of the page."""
    return [line for report in serve_reports(record) for line in markdown(report)]


def _memory_rows(record: Record) -> list[list[str]]:
    rows = []
    for row in record["workers"]:
        for name, text in (("memory_mb", ""), ("memory_after_changes_mb", ", after the changes")):
            if found := row.get(name):
                values = [f"{found['pss']:,.0f}", f"{found['rss']:,.0f}"]
                rows.append([f"{row['workers']}{text}", *values])
    return rows


def _notes(record: Record) -> list[str]:
    changes, malformed = record["changes"], record["malformed"]
    statuses = ", ".join(f"{number:,} x {name}" for name, number in malformed["by_status"].items())
    return [
        f"{record['model']} on {record['dataset']}, {record['seconds']} s per row, by "
        f"{record['client']} on the same {record['cores']} cores. Other processes kept "
        f"{record['load_before']:.1f} of them busy when the measurement began (load average).",
        f"Another run took the place of the one that was served {changes['changes']} times under "
        f"{changes['connections']} connections: {changes['failures']} of {changes['requests']:,} "
        f"requests failed, p99 {changes['p99_ms']:.1f} ms.",
        f"{malformed['requests']:,} malformed requests: {malformed['failed']} answers of 500 or "
        f"more ({statuses}; 0 is a closed connection).",
    ]
