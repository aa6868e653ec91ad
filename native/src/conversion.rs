//! The names of conversions: what the spec says of a column that is filled from attributes.

/// How a value becomes that of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Conversion {
    Text,
    Int,
    Float,
    Bool,
    TextList,
    SecondsToMs,
    Provider,
    Operation,
    FinishReasons,
}

impl Conversion {
    /// The conversion of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "text" => Conversion::Text,
            "int" => Conversion::Int,
            "float" => Conversion::Float,
            "bool" => Conversion::Bool,
            "text_list" => Conversion::TextList,
            "seconds_to_ms" => Conversion::SecondsToMs,
            "provider" => Conversion::Provider,
            "operation" => Conversion::Operation,
            "finish_reasons" => Conversion::FinishReasons,
            _ => return None,
        })
    }

    /// Whether it looks names up, which takes longer than to see that they are the last ones.
    pub fn looks_up(self) -> bool {
        matches!(self, Conversion::Provider | Conversion::Operation | Conversion::FinishReasons)
    }

    /// The type of its columns.
    pub fn type_(self) -> &'static str {
        match self {
            Conversion::Text | Conversion::Provider | Conversion::Operation => "text",
            Conversion::Int => "int8",
            Conversion::Float | Conversion::SecondsToMs => "float8",
            Conversion::Bool => "bool",
            Conversion::TextList | Conversion::FinishReasons => "text[]",
        }
    }
}
