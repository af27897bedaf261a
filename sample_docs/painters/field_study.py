"""The two-column study: abstract, numbered sections, a table of key figures, a chart, conclusions."""

from io import BytesIO

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    FrameBreak,
    KeepTogether,
    NextPageTemplate,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

from painters.charts import Bars, Chart, Lines
from painters.paper import Truth
from painters.study_text import ABSTRACT, CONCLUSIONS, KEY_FIGURES, SECTIONS

TITLE = "Heat pumps in old apartment houses: a field study of forty buildings"
OWNER, PERIOD = "Institute for Building Practice", "October 2023 to April 2025"
WIDTH = (A4[0] - 2 * 54 - 20) / 2
H2 = ParagraphStyle("h2", fontName="Times-Bold", fontSize=13, leading=16, spaceBefore=11, spaceAfter=4)
BODY = ParagraphStyle("body", fontName="Times-Roman", fontSize=11, leading=14.6, spaceAfter=6, alignment=4)
SMALL = ParagraphStyle("small", fontName="Times-Italic", fontSize=8.8, leading=11, spaceAfter=8)
BULLET = ParagraphStyle("bullet", parent=BODY, leftIndent=11, bulletIndent=1, alignment=0)


def truth() -> Truth:
    return {
        "title": TITLE,
        "organisation": OWNER,
        "period": PERIOD,
        "key_figures": [
            {"name": name, "value": value, "unit": unit, "period": period} for name, value, unit, period in KEY_FIGURES
        ],
        "sections": [
            {"heading": "Abstract", "summary": ABSTRACT},
            *({"heading": heading, "summary": texts[0]} for heading, *texts in SECTIONS),
        ],
        "conclusions": list(CONCLUSIONS),
    }


def draw() -> bytes:
    buffer = BytesIO()
    document = BaseDocTemplate(buffer, pagesize=A4, title=TITLE, author=OWNER, invariant=1)
    first = [Frame(54 + column * (WIDTH + 20), 60, WIDTH, A4[1] - 60 - 206, 0, 0, 0, 0) for column in (0, 1)]
    later = [Frame(54 + column * (WIDTH + 20), 60, WIDTH, A4[1] - 60 - 66, 0, 0, 0, 0) for column in (0, 1)]
    document.addPageTemplates(
        [PageTemplate("first", first, onPage=_title), PageTemplate("later", later, onPage=_running)]
    )
    story: list[Flowable] = [NextPageTemplate("later"), Paragraph("Abstract", H2), Paragraph(ABSTRACT, BODY)]
    for heading, *texts in SECTIONS:
        body = [Paragraph(text, BODY) for text in texts]
        if heading == "8 Limits of the study":
            story.append(FrameBreak())  # the last page ends with two columns of like length
        story += [KeepTogether([Paragraph(heading, H2), body[0]]), *body[1:], *_extras(heading)]
    document.build(story)
    return buffer.getvalue()


def _extras(heading: str) -> list[Flowable]:
    if heading == "3 Key figures":
        return [KeepTogether([Paragraph("Table 1: Key figures of the study", SMALL), _table(), Spacer(1, 8)])]
    if heading == "4 Efficiency":
        chart: Chart = Lines(("Oct", "Nov", "Dec", "Jan", "Feb", "Mar", "Apr"), (("Radiators kept", (3.4, 3.1, 2.8, 2.7, 2.8, 3.2, 3.6)), ("Radiators replaced", (3.9, 3.6, 3.3, 3.2, 3.3, 3.7, 4.1))), "performance factor", 1, WIDTH, 160)  # fmt: skip
        return [
            KeepTogether([Spacer(1, 4), chart, Paragraph("Figure 1: Monthly performance factor, second winter", SMALL)])
        ]
    if heading == "5 Cost and comfort":
        bars: Chart = Bars(("1-6 flats", "7-12", "13-20", "over 20"), (("Before", (14.8, 13.9, 13.1, 12.6)), ("After", (11.2, 10.4, 9.7, 9.5))), "EUR per square metre and year", 5, WIDTH, 150)  # fmt: skip
        return [KeepTogether([Spacer(1, 4), bars, Paragraph("Figure 2: Heating cost by size of house", SMALL)])]
    if heading == "9 Conclusions":
        return [Paragraph(text, BULLET, bulletText="•") for text in CONCLUSIONS]
    return []


def _table() -> Table:
    rows = [
        ["Key figure", "Value", "Unit", "Period"],
        *([name, f"{value:,}", unit, period] for name, value, unit, period in KEY_FIGURES),
    ]
    style = [
        ("FONT", (0, 0), (-1, -1), "Times-Roman", 8.6),
        ("FONT", (0, 0), (-1, 0), "Times-Bold", 8.6),
        ("ALIGN", (1, 0), (1, -1), "RIGHT"),
        ("LINEABOVE", (0, 0), (-1, 0), 0.9, HexColor("#000000")),
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, HexColor("#000000")),
        ("LINEBELOW", (0, -1), (-1, -1), 0.9, HexColor("#000000")),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
    ]
    return Table(rows, [94, 40, 54, 45], style=style, hAlign="LEFT")


def _title(canvas: Canvas, _document: BaseDocTemplate) -> None:
    canvas.setFont("Times-Roman", 10)
    canvas.drawString(54, A4[1] - 62, OWNER)
    canvas.drawRightString(A4[0] - 54, A4[1] - 62, "Report 14, June 2025")
    canvas.line(54, A4[1] - 70, A4[0] - 54, A4[1] - 70)
    head, tail = TITLE.split(": ")
    canvas.setFont("Times-Bold", 21)
    canvas.drawCentredString(A4[0] / 2, A4[1] - 108, f"{head}:")
    canvas.drawCentredString(A4[0] / 2, A4[1] - 134, tail)
    canvas.setFont("Times-Italic", 11)
    canvas.drawCentredString(A4[0] / 2, A4[1] - 160, "Ines Kowalczyk, Tobias Rehm and Fatou Diallo")
    canvas.setFont("Times-Roman", 10.5)
    canvas.drawCentredString(A4[0] / 2, A4[1] - 178, f"Period of measurement: {PERIOD}")
    _number(canvas)


def _running(canvas: Canvas, _document: BaseDocTemplate) -> None:
    canvas.setFont("Times-Italic", 9)
    canvas.drawString(54, A4[1] - 46, "Heat pumps in old apartment houses")
    canvas.drawRightString(A4[0] - 54, A4[1] - 46, OWNER)
    canvas.setLineWidth(0.4)
    canvas.line(54, A4[1] - 52, A4[0] - 54, A4[1] - 52)
    _number(canvas)


def _number(canvas: Canvas) -> None:
    canvas.setFont("Times-Roman", 9)
    canvas.drawCentredString(A4[0] / 2, 36, str(canvas.getPageNumber()))
