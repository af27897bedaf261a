"""The illustrated annual report: cover, key figures, nine chapters with charts, pictures and a map, imprint; 12 pages."""

from io import BytesIO

from reportlab.lib.colors import HexColor, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

from painters import pictures
from painters.annual_figures import figure_of
from painters.annual_text import CHAPTERS, CONCLUSIONS, KEY_FIGURES, Chapter
from painters.paper import Truth

TITLE, OWNER, PERIOD = "Annual Report 2025", "Brightwater Harbour Trust", "1 January to 31 December 2025"
BLUE, SEA = HexColor("#14507a"), HexColor("#e6eff4")
H1 = ParagraphStyle("h1", fontName="Helvetica-Bold", fontSize=22, leading=27, textColor=BLUE, spaceAfter=8)
H2 = ParagraphStyle(
    "h2", fontName="Helvetica-Bold", fontSize=13, leading=17, textColor=BLUE, spaceBefore=10, spaceAfter=4
)
LEAD = ParagraphStyle(
    "lead", fontName="Helvetica", fontSize=13, leading=18.5, textColor=HexColor("#46545e"), spaceAfter=10
)
BODY = ParagraphStyle("body", fontName="Times-Roman", fontSize=12, leading=17, spaceAfter=9, alignment=4)
BULLET = ParagraphStyle("bullet", parent=BODY, leftIndent=16, bulletIndent=3, alignment=0, spaceAfter=9)
CAPTION = ParagraphStyle(
    "caption", fontName="Helvetica-Oblique", fontSize=8.8, leading=12, textColor=HexColor("#46545e"), spaceAfter=12
)


def truth() -> Truth:
    figures = [
        {"name": name, "value": value, "unit": unit, "period": period}
        for name, unit, now, before in KEY_FIGURES
        for value, period in ((now, "2025"), (before, "2024"))
    ]
    return {
        "title": TITLE,
        "organisation": OWNER,
        "period": PERIOD,
        "key_figures": figures,
        "sections": [
            {
                "heading": "Key figures at a glance",
                "summary": "The year in eight numbers, compared with the year before.",
            },
            *({"heading": chapter.heading, "summary": chapter.lead} for chapter in CHAPTERS),
        ],
        "conclusions": list(CONCLUSIONS),
    }


def draw() -> bytes:
    buffer = BytesIO()
    document = BaseDocTemplate(buffer, pagesize=A4, title=f"{OWNER}: {TITLE}", author=OWNER, invariant=1)
    frame = Frame(64, 64, A4[0] - 128, A4[1] - 136, 0, 0, 0, 0)
    document.addPageTemplates(
        [
            PageTemplate("cover", [frame], onPage=_cover),
            PageTemplate("body", [frame], onPage=_page),
            PageTemplate("back", [frame], onPage=_back),
        ]
    )
    story: list[Flowable] = [NextPageTemplate("body"), Spacer(1, 1), PageBreak(), *_glance()]
    figure = 0
    for chapter in CHAPTERS:
        story += [PageBreak(), Paragraph(chapter.heading, H1), Paragraph(chapter.lead, LEAD)]
        for text in chapter.before:
            story.append(Paragraph(text, BODY))
        if chapter.figure is not None:
            figure += 1
            caption = Paragraph(f"Figure {figure}: {chapter.caption}", CAPTION)
            story.append(KeepTogether([Spacer(1, 4), figure_of(chapter.figure), Spacer(1, 5), caption]))
        story += _rest(chapter)
    story += [NextPageTemplate("back"), PageBreak(), Spacer(1, 1)]
    document.build(story)
    return buffer.getvalue()


def _rest(chapter: Chapter) -> list[Flowable]:
    rest: list[Flowable] = [Paragraph(chapter.subheading, H2)] if chapter.subheading else []
    rest += [Paragraph(text, BODY) for text in chapter.after]
    if chapter.heading == "Conclusions":
        rest += [Paragraph(text, BULLET, bulletText="•") for text in CONCLUSIONS]
    return rest


def _glance() -> list[Flowable]:
    rows = [
        ["Key figure", "Unit", "2025", "2024"],
        *([name, unit, f"{now:,}", f"{before:,}"] for name, unit, now, before in KEY_FIGURES),
    ]
    style = [
        ("FONT", (0, 0), (-1, -1), "Helvetica", 10.5),
        ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 10.5),
        ("BACKGROUND", (0, 0), (-1, 0), BLUE),
        ("TEXTCOLOR", (0, 0), (-1, 0), white),
        ("ALIGN", (2, 0), (-1, -1), "RIGHT"),
        ("ROWBACKGROUNDS", (0, 1), (-1, -1), [white, SEA]),
        ("TOPPADDING", (0, 0), (-1, -1), 7),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 7),
    ]
    contents = [[chapter.heading, str(number)] for number, chapter in enumerate(CHAPTERS, 3)]
    quiet = [
        ("FONT", (0, 0), (-1, -1), "Helvetica", 10),
        ("ALIGN", (1, 0), (1, -1), "RIGHT"),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
    return [
        Paragraph("Key figures at a glance", H1),
        Paragraph("The year in eight numbers, compared with the year before.", LEAD),
        Table(rows, [200, 117, 75, 75], style=style, hAlign="LEFT"),
        Spacer(1, 26),
        Paragraph("In this report", H2),
        Table(contents, [392, 75], style=quiet, hAlign="LEFT"),
    ]


def _cover(canvas: Canvas, _document: BaseDocTemplate) -> None:
    canvas.drawImage(ImageReader(BytesIO(pictures.harbour())), 0, 300, A4[0], A4[0] * 700 / 1100)
    canvas.setFillColor(BLUE)
    canvas.rect(0, 0, A4[0], 300, stroke=0, fill=1)
    canvas.rect(0, 300 + A4[0] * 700 / 1100, A4[0], 400, stroke=0, fill=1)
    canvas.setFillColor(white)
    canvas.setFont("Helvetica", 17)
    canvas.drawString(64, 750, OWNER)
    canvas.setFont("Helvetica-Bold", 42)
    canvas.drawString(64, 214, TITLE)
    canvas.setFont("Helvetica", 13)
    canvas.drawString(64, 182, PERIOD)


def _page(canvas: Canvas, _document: BaseDocTemplate) -> None:
    canvas.setFillColor(HexColor("#6b7780"))
    canvas.setFont("Helvetica", 8.5)
    canvas.drawString(64, A4[1] - 46, OWNER)
    canvas.drawRightString(A4[0] - 64, A4[1] - 46, TITLE)
    canvas.setStrokeColor(HexColor("#c5ced4"))
    canvas.setLineWidth(0.5)
    canvas.line(64, A4[1] - 53, A4[0] - 64, A4[1] - 53)
    canvas.drawRightString(A4[0] - 64, 38, str(canvas.getPageNumber()))


def _back(canvas: Canvas, _document: BaseDocTemplate) -> None:
    canvas.setFillColor(BLUE)
    canvas.rect(0, 0, *A4, stroke=0, fill=1)
    canvas.setFillColor(white)
    canvas.setFont("Helvetica", 10)
    imprint = ("Brightwater Harbour Trust", "Harbour Office, 1 North Quay, Brightwater", "www.brightwater-harbour.example", "Photographs and map: Harbour Office", "Printed on recycled paper, April 2026")  # fmt: skip
    for number, text in enumerate(imprint):
        canvas.drawString(64, 150 - 16 * number, text)
