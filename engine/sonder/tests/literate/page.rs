//! A page: Markdown with sections, whose fenced blocks are files, events, and what is printed.

/// All of a page; what stands before the first section is a section without a title.
pub struct Page {
    pub sections: Vec<Section>,
}

/// From one `##` to the next.
pub struct Section {
    pub title: String,
    pub blocks: Vec<Block>,
    /// Its text, a line each; a block stands where its index is.
    parts: Vec<Part>,
}

enum Part {
    Line(String),
    Block(usize),
}

/// What stands between fences.
#[derive(Clone)]
pub struct Block {
    /// What is written behind the opening fence.
    pub info: String,
    pub text: String,
    /// Where it begins in the page.
    pub line: usize,
}

impl Page {
    /// Reads a page.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut sections = vec![Section { title: String::new(), blocks: Vec::new(), parts: Vec::new() }];
        let mut lines = text.lines().zip(1..);
        while let Some((line, number)) = lines.next() {
            if let Some(title) = line.strip_prefix("## ") {
                sections.push(Section { title: title.to_owned(), blocks: Vec::new(), parts: Vec::new() });
            }
            let section = sections.last_mut().ok_or("no section")?;
            let Some(info) = line.strip_prefix("```") else {
                section.parts.push(Part::Line(line.to_owned()));
                continue;
            };
            let mut block = Block { info: info.to_owned(), text: String::new(), line: number };
            loop {
                match lines.next() {
                    Some(("```", _)) => break,
                    Some((line, _)) => block.text += &format!("{line}\n"),
                    None => return Err(format!("the block of line {number} is not closed")),
                }
            }
            section.parts.push(Part::Block(section.blocks.len()));
            section.blocks.push(block);
        }
        Ok(Self { sections })
    }

    /// The page as Markdown.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for section in &self.sections {
            for part in &section.parts {
                match part {
                    Part::Line(line) => text += &format!("{line}\n"),
                    Part::Block(at) => {
                        let Block { info, text: inside, .. } = &section.blocks[*at];
                        text += &format!("```{info}\n{inside}```\n");
                    }
                }
            }
        }
        text
    }
}
