"""The report in Markdown, for a README or a terminal: what each section has to say there."""

from __future__ import annotations

from rlformer.report.markup import bullets, escape
from rlformer.report.sections import SECTIONS, EnvironmentSection, ReportSection, ReportView


def document(view: ReportView) -> str:
    """The whole of report.md: environment by environment, then what concerns all of them."""
    words = view.words
    blocks = [f"# {escape(words.title)}"]
    if words.warnings:
        blocks += ["Warnings:", bullets(map(escape, words.warnings))]
    for environment in view.environments:
        blocks.append(f"## {escape(environment.evidence.name)}")
        for section in SECTIONS:
            if isinstance(section, EnvironmentSection) and section.applies(environment):
                blocks += section.markdown(environment)
    for section in SECTIONS:
        if isinstance(section, ReportSection) and section.applies(view):
            blocks += section.markdown(view)
    blocks.append(f"Built {words.built}; report.html has the figures, results.json every number.")
    return "\n\n".join(blocks) + "\n"
