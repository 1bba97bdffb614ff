//! Writing an empty workbook, and presentations of a title and slides with text.

use bytes::Bytes;

use super::package::pack;
use super::presentation::Slide;
use super::xml::escape;

const SLIDE_HEAD: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    "\n",
    r#"<p:sld xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"><p:cSld><p:spTree><p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>"#
);
const SLIDE_TAIL: &str =
    "</p:spTree></p:cSld><p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:sld>";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

/// A workbook with one empty sheet.
///
/// # Errors
/// What the archive does not take.
pub(super) fn workbook() -> Result<Bytes, String> {
    let parts = [
        ("[Content_Types].xml", include_str!("parts/xlsx_types.xml")),
        ("_rels/.rels", include_str!("parts/xlsx_rels.xml")),
        ("xl/workbook.xml", include_str!("parts/xlsx_workbook.xml")),
        (
            "xl/_rels/workbook.xml.rels",
            include_str!("parts/xlsx_workbook_rels.xml"),
        ),
        (
            "xl/worksheets/sheet1.xml",
            include_str!("parts/xlsx_sheet.xml"),
        ),
        ("xl/styles.xml", include_str!("parts/xlsx_styles.xml")),
    ];
    pack(&owned(&parts))
}

/// A presentation: a title slide, unless there is no title, then the slides.
///
/// # Errors
/// What the archive does not take.
pub(super) fn presentation(title: &str, slides: &[Slide]) -> Result<Bytes, String> {
    let mut pages = Vec::new();
    if !title.is_empty() || slides.is_empty() {
        pages.push((1, page(&[("ctrTitle", title)], &[])));
    }
    for slide in slides {
        let title = slide.title.as_deref().unwrap_or_default();
        pages.push((2, page(&[("title", title)], &slide.lines)));
    }
    let mut parts = owned(&[
        ("_rels/.rels", include_str!("parts/pptx_rels.xml")),
        ("ppt/theme/theme1.xml", include_str!("parts/pptx_theme.xml")),
        (
            "ppt/slideMasters/slideMaster1.xml",
            include_str!("parts/pptx_master.xml"),
        ),
        (
            "ppt/slideMasters/_rels/slideMaster1.xml.rels",
            include_str!("parts/pptx_master_rels.xml"),
        ),
        (
            "ppt/slideLayouts/slideLayout1.xml",
            include_str!("parts/pptx_layout_title.xml"),
        ),
        (
            "ppt/slideLayouts/slideLayout2.xml",
            include_str!("parts/pptx_layout_body.xml"),
        ),
        (
            "ppt/slideLayouts/_rels/slideLayout1.xml.rels",
            include_str!("parts/pptx_layout_rels.xml"),
        ),
        (
            "ppt/slideLayouts/_rels/slideLayout2.xml.rels",
            include_str!("parts/pptx_layout_rels.xml"),
        ),
    ]);
    let count = pages.len();
    for (at, (layout, page)) in pages.into_iter().enumerate() {
        let number = at + 1;
        parts.push((format!("ppt/slides/slide{number}.xml"), page));
        let layout = relation(
            1,
            "slideLayout",
            &format!("../slideLayouts/slideLayout{layout}.xml"),
        );
        parts.push((
            format!("ppt/slides/_rels/slide{number}.xml.rels"),
            relations(&layout),
        ));
    }
    parts.push(("ppt/presentation.xml".to_owned(), main(count)));
    parts.push((
        "ppt/_rels/presentation.xml.rels".to_owned(),
        main_relations(count),
    ));
    // Readers look for the types first.
    parts.insert(0, ("[Content_Types].xml".to_owned(), types(count)));
    pack(&parts)
}

fn owned(parts: &[(&str, &str)]) -> Vec<(String, String)> {
    let parts = parts.iter();
    parts
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

fn page(titles: &[(&str, &str)], lines: &[String]) -> String {
    let mut page = SLIDE_HEAD.to_owned();
    for (kind, title) in titles {
        let kind = format!("type=\"{kind}\"");
        page.push_str(&shape(2, "Title", &kind, &[(*title).to_owned()]));
    }
    if !lines.is_empty() {
        page.push_str(&shape(3, "Content", "idx=\"1\"", lines));
    }
    page.push_str(SLIDE_TAIL);
    page
}

fn shape(id: u32, name: &str, place: &str, lines: &[String]) -> String {
    let paragraphs = lines.iter().map(|line| match line.trim() {
        "" => "<a:p><a:endParaRPr/></a:p>".to_owned(),
        line => format!("<a:p><a:r><a:rPr/><a:t>{}</a:t></a:r></a:p>", escape(line)),
    });
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"{id}\" name=\"{name}\"/><p:cNvSpPr><a:spLocks noGrp=\"1\"/></p:cNvSpPr><p:nvPr><p:ph {place}/></p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:lstStyle/>{}</p:txBody></p:sp>",
        paragraphs.collect::<String>()
    )
}

fn relation(id: usize, kind: &str, target: &str) -> String {
    format!("<Relationship Id=\"rId{id}\" Type=\"{RELATIONS}/{kind}\" Target=\"{target}\"/>")
}

fn relations(inner: &str) -> String {
    format!(
        "{HEAD}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{inner}</Relationships>"
    )
}

/// The first two relationships are the master and the theme.
fn main_relations(count: usize) -> String {
    let mut inner = relation(1, "slideMaster", "slideMasters/slideMaster1.xml");
    inner.push_str(&relation(2, "theme", "theme/theme1.xml"));
    for number in 1..=count {
        inner.push_str(&relation(
            number + 2,
            "slide",
            &format!("slides/slide{number}.xml"),
        ));
    }
    relations(&inner)
}

fn main(count: usize) -> String {
    // Ids of slides begin at 256 (ECMA-376 part 1, 19.7.13).
    let slides = (1..=count).map(|number| {
        format!(
            "<p:sldId id=\"{}\" r:id=\"rId{}\"/>",
            number + 255,
            number + 2
        )
    });
    format!(
        "{HEAD}<p:presentation xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" xmlns:r=\"{RELATIONS}\" xmlns:p=\"http://schemas.openxmlformats.org/presentationml/2006/main\"><p:sldMasterIdLst><p:sldMasterId id=\"2147483648\" r:id=\"rId1\"/></p:sldMasterIdLst><p:sldIdLst>{}</p:sldIdLst><p:sldSz cx=\"12192000\" cy=\"6858000\"/><p:notesSz cx=\"6858000\" cy=\"9144000\"/></p:presentation>",
        slides.collect::<String>()
    )
}

fn types(count: usize) -> String {
    let kind = "application/vnd.openxmlformats-officedocument";
    let part = |name: &str, what: &str| {
        format!("<Override PartName=\"/ppt/{name}.xml\" ContentType=\"{kind}.{what}+xml\"/>")
    };
    let mut inner = part("presentation", "presentationml.presentation.main");
    inner.push_str(&part("theme/theme1", "theme"));
    inner.push_str(&part(
        "slideMasters/slideMaster1",
        "presentationml.slideMaster",
    ));
    for number in 1..=2 {
        let name = format!("slideLayouts/slideLayout{number}");
        inner.push_str(&part(&name, "presentationml.slideLayout"));
    }
    for number in 1..=count {
        inner.push_str(&part(
            &format!("slides/slide{number}"),
            "presentationml.slide",
        ));
    }
    format!(
        "{HEAD}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/>{inner}</Types>"
    )
}

#[cfg(test)]
mod tests {
    use super::super::presentation::read;
    use super::*;

    #[test]
    fn a_presentation_that_is_written_is_read_with_the_same_words() {
        let slide = |title: Option<&str>, lines: &[&str]| Slide {
            title: title.map(str::to_owned),
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        };
        let slides = [
            slide(Some("R&D <plan>"), &["first \"one\"", "second"]),
            slide(None, &["no title here"]),
        ];

        let read = read(&presentation("Roadmap", &slides).unwrap()).unwrap();

        assert_eq!(read[0], slide(Some("Roadmap"), &[]));
        assert_eq!(read[1..], slides);
    }

    #[test]
    fn without_anything_there_is_one_empty_slide() {
        let read = read(&presentation("", &[]).unwrap()).unwrap();
        assert_eq!(read, [Slide::default()]);
    }
}
