//! How large a query may be, counted on its text before anything else looks at it: some checks of
//! the library take time that grows with the power of what they check.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

/// The most fields, with every use of a fragment counted.
const FIELDS_MAX: usize = 1_000;
/// The most fields that are given another name.
const ALIASES_MAX: usize = 50;
/// The most operations and the most fragments in one document.
const DEFINITIONS_MAX: usize = 50;

/// The deepest that brackets may be nested in its text.
const NESTING_MAX: usize = 64;

/// Why a query is not even looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooLarge {
    #[error("a query has at most {FIELDS_MAX} fields, those of its fragments included")]
    Fields,
    #[error("a query has at most {ALIASES_MAX} aliases")]
    Aliases,
    #[error("a query has at most {DEFINITIONS_MAX} operations and as many fragments")]
    Definitions,
    #[error("a query has at most {NESTING_MAX} brackets in one another")]
    Nesting,
    #[error("fragments use each other in a circle")]
    Circle,
}

/// What a selection comes to.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    fields: usize,
    aliases: usize,
}

struct Counting<'a> {
    fragments: HashMap<&'a Name, &'a Positioned<SelectionSet>>,
    /// None: being counted just now.
    counted: HashMap<&'a Name, Option<Size>>,
}

/// Before the text is read: the parser goes as deep as the text does, and would run out of stack.
pub(crate) fn check_text(text: &str) -> Result<(), TooLarge> {
    let (mut depth, mut bytes) = (0_usize, text.bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b'#' => {
                bytes.find(|byte| matches!(byte, b'\n' | b'\r'));
            }
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
        if depth > NESTING_MAX {
            return Err(TooLarge::Nesting);
        }
    }
    Ok(())
}

/// Up to the quotation mark that ends it. A block string is three of them.
fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return,
            _ => {}
        }
    }
}

pub(crate) fn check(document: &ExecutableDocument) -> Result<(), TooLarge> {
    let operations = document.operations.iter().count();
    if operations > DEFINITIONS_MAX || document.fragments.len() > DEFINITIONS_MAX {
        return Err(TooLarge::Definitions);
    }
    let fragments = document.fragments.iter();
    let fragments = fragments.map(|(name, it)| (name, &it.node.selection_set)).collect();
    let mut counting = Counting { fragments, counted: HashMap::new() };
    // Also those that are not used: they are looked at too.
    let names: Vec<&Name> = document.fragments.keys().collect();
    for name in names {
        counting.fragment(name)?.check()?;
    }
    for (_, operation) in document.operations.iter() {
        counting.selection(&operation.node.selection_set)?.check()?;
    }
    Ok(())
}

impl<'a> Counting<'a> {
    /// The parser has bounded how deep this goes.
    fn selection(&mut self, set: &'a Positioned<SelectionSet>) -> Result<Size, TooLarge> {
        let mut size = Size::default();
        for item in &set.node.items {
            size = size.and(match &item.node {
                Selection::Field(field) => {
                    let aliases = usize::from(field.node.alias.is_some());
                    let own = Size { fields: 1, aliases };
                    own.and(self.selection(&field.node.selection_set)?)
                }
                Selection::InlineFragment(inline) => self.selection(&inline.node.selection_set)?,
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node)?
                }
            });
        }
        Ok(size)
    }

    /// Each fragment is counted once, however often it is used.
    fn fragment(&mut self, name: &'a Name) -> Result<Size, TooLarge> {
        match self.counted.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(TooLarge::Circle),
            None => {}
        }
        // One that is not there is refused by name later.
        let Some(set) = self.fragments.get(name).copied() else { return Ok(Size::default()) };
        self.counted.insert(name, None);
        let size = self.selection(set)?;
        self.counted.insert(name, Some(size));
        Ok(size)
    }
}

impl Size {
    fn and(self, other: Self) -> Self {
        Self {
            fields: self.fields.saturating_add(other.fields),
            aliases: self.aliases.saturating_add(other.aliases),
        }
    }

    fn check(self) -> Result<(), TooLarge> {
        if self.fields > FIELDS_MAX {
            return Err(TooLarge::Fields);
        }
        if self.aliases > ALIASES_MAX { Err(TooLarge::Aliases) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn checked(query: &str) -> Result<(), TooLarge> {
        check(&parse_query(query).unwrap())
    }

    #[test]
    fn what_fragments_come_to_is_counted_and_not_walked() {
        // Each uses the next twice: 2 to the power of 40 fields.
        let mut doubling = "query { ...f0 }".to_owned();
        for number in 0..40 {
            let next = number + 1;
            doubling.push_str(&format!(" fragment f{number} on Query {{ ...f{next} ...f{next} }}"));
        }
        doubling.push_str(" fragment f40 on Query { me { id } }");
        assert_eq!(checked(&doubling), Err(TooLarge::Fields));
        let circle = "{ ...a } fragment a on Query { ...b ...b } fragment b on Query { ...a ...a }";
        assert_eq!(checked(circle), Err(TooLarge::Circle));
    }

    #[test]
    fn brackets_are_counted_where_they_are_no_text() {
        assert_eq!(check_text(&"{ a ".repeat(65)), Err(TooLarge::Nesting));
        assert_eq!(check_text(&"a(b: [".repeat(40)), Err(TooLarge::Nesting));
        assert_eq!(check_text(&"{ a } ".repeat(1_000)), Ok(()));
        let text = "{".repeat(100);
        let quoted = format!("{{ a(b: \"{text}\\\"{text}\", c: \"\"\"{text}\"\"\") # {text}\n }}");
        assert_eq!(check_text(&quoted), Ok(()));
        // What follows a string or a remark counts.
        let after = format!("{{ a(b: \"\") # \n {} }}", "{ b ".repeat(70));
        assert_eq!(check_text(&after), Err(TooLarge::Nesting));
    }

    #[test]
    fn fields_aliases_and_definitions_are_bounded() {
        assert_eq!(checked("{ a b c }"), Ok(()));
        assert_eq!(checked(&format!("{{ {} }}", "a ".repeat(1_001))), Err(TooLarge::Fields));
        let aliases: String = (0..51).map(|number| format!("a{number}: me {{ id }} ")).collect();
        assert_eq!(checked(&format!("{{ {aliases} }}")), Err(TooLarge::Aliases));
        let many: String = (0..51).map(|number| format!("query q{number} {{ a }} ")).collect();
        assert_eq!(checked(&many), Err(TooLarge::Definitions));
    }
}
