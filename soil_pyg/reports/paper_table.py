"""A table of models and metrics for a paper, as LaTeX or Markdown, and its BibTeX entries."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

import pandas as pd

from soil_pyg.configs import available_configs, load_config
from soil_pyg.utils.checks import check_choice

DIGITS = 4
METRIC = re.compile(r"(val|test) \w+@\d+")
"""The name of a metric among the columns of :func:`soil_pyg.compare`."""
TEST = "test "

OWN = ("run", "seed", "trained_epochs", "best_epoch", "seconds")
"""The columns of :func:`soil_pyg.compare` that differ between the seeds of one setting."""

SPECIAL = {"\\": r"\textbackslash{}", "±": r"$\pm$", "~": r"\textasciitilde{}"} | {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"${character}$" for character in "<>|"},
    "^": r"\textasciicircum{}",
}
"""The spelling in LaTeX of characters that it reserves."""

CITATION = re.compile(r"(.+?)\. (.+)\. ([^.]+), (\d{4})\.")
"""The authors, the title, the venue and the year in a citation of a configuration."""


@dataclass(frozen=True)
class PaperRow:
    """A row of the table.

    Args:
        name (str): The name to show.
        values (dict[str, list[float]]): One value per seed of each metric.
        model (str, optional): The name of the configuration whose paper is cited.
            (default: :obj:`""`, none)
        marks (dict[str, str], optional): Stars of significance by metric. (default: none)
    """

    name: str
    values: Mapping[str, list[float]]
    model: str = ""
    marks: Mapping[str, str] = field(default_factory=dict)


def paper_table(rows: Sequence[PaperRow], notes: Iterable[str], file_format: str) -> str:
    """Returns the table: mean ± sample standard deviation over seeds, the best mean of each metric
    bold and the second best underlined. The LaTeX needs no package.

    Args:
        rows (Sequence[PaperRow]): The rows, which share their metrics.
        notes (Iterable[str]): The sentences of the caption, without their points.
        file_format (str): :obj:`"markdown"` or :obj:`"latex"`.

    Example:
        >>> row = PaperRow("BPR", {"recall@20": [0.1, 0.2]})
        >>> print(paper_table([row], ["One model"], "markdown"))
        | Model | recall@20 |
        |---|---|
        | BPR | **0.1500** ± 0.0707 |
        <BLANKLINE>
        One model.
    """
    is_latex = file_format == "latex"
    styles = LATEX if is_latex else MARKDOWN
    metrics = list(rows[0].values)
    places = {metric: _places([fmean(row.values[metric]) for row in rows]) for metric in metrics}
    cells = []
    for number, row in enumerate(rows):
        cells.append([latex_text(row.name) if is_latex else row.name])
        if is_latex and row.model in available_configs():
            cells[-1][0] += rf"~\cite{{{row.model}}}"
        for metric in metrics:
            values, mark = row.values[metric], row.marks.get(metric, "")
            text = styles[min(places[metric][number], 2)].format(f"{fmean(values):.{DIGITS}f}")
            if len(values) > 1:
                text += (r" $\pm$ " if is_latex else " ± ") + f"{stdev(values):.{DIGITS}f}"
            if mark:
                text += f"$^{{{mark}}}$" if is_latex else mark.replace("*", r"\*")
            cells[-1].append(text)
    caption = ". ".join(notes) + "."
    if is_latex:
        return _latex(["Model", *metrics], cells, latex_text(caption))
    lines = [f"| {' | '.join(line)} |" for line in [["Model", *metrics], *cells]]
    lines.insert(1, f"|{'---|' * (len(metrics) + 1)}")
    return "\n".join([*lines, "", caption.replace("*", r"\*"), ""])


LATEX = (r"\textbf{{{}}}", r"\underline{{{}}}", "{}")
MARKDOWN = ("**{}**", "<u>{}</u>", "{}")


def rows_of_runs(frame: pd.DataFrame, metrics: Sequence[str]) -> list[PaperRow]:
    """Returns one row per setting of compared runs, whose seeds are its values.

    Args:
        frame (pandas.DataFrame): The table of :func:`soil_pyg.compare`.
        metrics (list[str]): The test metrics.

    Raises:
        ValueError: If a run lacks one of the metrics, the runs are on different data, or two of
            them have the same setting and seed.
    """
    columns = [str(name) for name in frame.columns]
    tested = [name for name in columns if name.startswith(TEST)]
    untested = frame["run"][frame[tested].isna().all(axis=1)].tolist()
    if untested:
        raise ValueError(f"'runs' must have test metrics (got '{untested[0]}', which has none)")
    known = [name.removeprefix(TEST) for name in tested if frame[name].notna().all()]
    for name in metrics:
        check_choice("metrics", name, known)
    if len(names := frame["data"].unique()) > 1:
        raise ValueError(
            "'runs' must be on the same data, whose metrics can be compared (got "
            f"{', '.join(names)}): make one table per data set"
        )
    settings = [name for name in columns if not METRIC.fullmatch(name) and name not in OWN]
    differing = [name for name in settings if name != "model" and _differs(frame[name])]
    values: dict[tuple[str, ...], dict[str, list[float]]] = {}
    folders: dict[tuple[str, ...], str] = {}
    for row in frame.drop_duplicates("run").to_dict("records"):
        key = (row["model"], *(_text(row[name]) for name in differing))
        first = folders.setdefault((*key, _text(row.get("seed"))), row["run"])
        if first != row["run"]:
            raise ValueError(
                f"'runs' must have different settings or seeds (got '{first}' and '{row['run']}')"
            )
        of_setting = values.setdefault(key, {name: [] for name in metrics})
        for name in metrics:
            of_setting[name].append(float(row[f"{TEST}{name}"]))
    models = [model for model, *_ in values]
    return [
        PaperRow(_label(key, differing, models.count(key[0]) > 1), found, key[0].lower())
        for key, found in values.items()
    ]


def _differs(column: pd.Series) -> bool:
    # An option that some runs do not have makes another setting.
    return len({_text(value) for value in column}) > 1


def _text(value: object) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)


def _label(key: tuple[str, ...], names: list[str], with_settings: bool) -> str:
    model, *texts = key
    pairs = [f"{name}={text}" for name, text in zip(names, texts, strict=True) if text]
    return f"{model} ({', '.join(pairs)})" if with_settings and pairs else model


def bibtex(name: str) -> str:
    """Returns the BibTeX entry of a model, from the citation in its configuration.

    Raises:
        ValueError: If the citation has another form than "Authors. Title. Venue, year."
    """
    config = load_config(name)
    match = CITATION.fullmatch(config.citation.strip())
    if match is None:
        raise ValueError(f"{name}.yaml: 'citation' must end in '. Venue, year.'")
    authors, title, venue, year = match.groups()
    is_article = "Transactions" in venue or venue == "arXiv"
    fields = {
        "author": re.sub(r",? and |, ", " and ", latex_text(authors)),
        "title": f"{{{latex_text(title)}}}",
        "journal" if is_article else "booktitle": latex_text(venue),
        "year": year,
        "url": config.source,
    }
    lines = [f"  {key} = {{{value}}}," for key, value in fields.items()]
    return "\n".join([f"@{'article' if is_article else 'inproceedings'}{{{name},", *lines, "}", ""])


def latex_text(text: str) -> str:
    r"""Returns a text with the characters escaped that LaTeX reserves.

    Example:
        >>> latex_text("ml1m_sparse, 50 %")
        'ml1m\\_sparse, 50 \\%'
    """
    return "".join(SPECIAL.get(character, character) for character in text)


def _places(means: list[float]) -> list[int]:
    # Equal figures, as printed, share their place.
    shown = [round(mean, DIGITS) for mean in means]
    order = sorted(set(shown), reverse=True)
    return [order.index(mean) for mean in shown]


def _latex(columns: list[str], rows: list[list[str]], caption: str) -> str:
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{l{'c' * (len(columns) - 1)}}}",
        r"\hline",
        rf"{' & '.join(map(latex_text, columns))} \\",
        r"\hline",
        *(rf"{' & '.join(row)} \\" for row in rows),
        r"\hline",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join([*lines, ""])
