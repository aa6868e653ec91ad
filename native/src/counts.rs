//! How often which rule was applied.

macro_rules! rules {
    ($list:ident: $($(#[$about:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$about])* pub const $name: &str = $text;)*
        /// Those that this codec applies; the spec declares them.
        pub const $list: &[&str] = &[$($name),*];
    };
}

rules! { REJECTIONS:
    /// See the spec's rejections, as all of these.
    TRACE_ID_INVALID = "trace_id_invalid";
    #[allow(missing_docs)] SPAN_ID_INVALID = "span_id_invalid";
    #[allow(missing_docs)] PARENT_SPAN_ID_INVALID = "parent_span_id_invalid";
    #[allow(missing_docs)] TIME_OUT_OF_RANGE = "time_out_of_range";
    #[allow(missing_docs)] TOO_OLD = "too_old";
    #[allow(missing_docs)] TOO_FAR_AHEAD = "too_far_ahead";
    #[allow(missing_docs)] ENUM_OUT_OF_RANGE = "enum_out_of_range";
    #[allow(missing_docs)] POINT_TIME_MISSING = "point_time_missing";
    #[allow(missing_docs)] POINT_VALUE_MISSING = "point_value_missing";
    #[allow(missing_docs)] COUNT_OUT_OF_RANGE = "count_out_of_range";
    #[allow(missing_docs)] METRIC_MALFORMED = "metric_malformed";
    #[allow(missing_docs)] RECORD_MALFORMED = "record_malformed";
    #[allow(missing_docs)] SOURCE_MALFORMED = "source_malformed";
    #[allow(missing_docs)] TOO_MANY_VALUES = "too_many_values";
    #[allow(missing_docs)] ROW_TOO_LARGE = "row_too_large";
    #[allow(missing_docs)] REQUEST_ROWS_TOO_LARGE = "request_rows_too_large";
    #[allow(missing_docs)] TOO_MUCH_CONTENT = "too_much_content";
    #[allow(missing_docs)] SOURCES_TOO_LARGE = "sources_too_large";
}

rules! { REPAIRS:
    /// See the spec's repairs, as all of these.
    NUL_REPLACED = "nul_replaced";
    #[allow(missing_docs)] DUPLICATE_KEY = "duplicate_key";
    #[allow(missing_docs)] LINK_DROPPED = "link_dropped";
    #[allow(missing_docs)] STRING_INDEX_IGNORED = "string_index_ignored";
    #[allow(missing_docs)] LOG_ID_DROPPED = "log_id_dropped";
    #[allow(missing_docs)] EXEMPLAR_DROPPED = "exemplar_dropped";
    #[allow(missing_docs)] CONTENT_TRUNCATED = "content_truncated";
    #[allow(missing_docs)] CONTENT_DROPPED = "content_dropped";
}

rules! { ODDITIES:
    /// See the spec's oddities, as all of these.
    END_BEFORE_START = "end_before_start";
    #[allow(missing_docs)] START_AFTER_TIME = "start_after_time";
    #[allow(missing_docs)] TEMPORALITY_UNSPECIFIED = "temporality_unspecified";
    #[allow(missing_docs)] BUCKETS_INCONSISTENT = "buckets_inconsistent";
    #[allow(missing_docs)] BOUNDS_NOT_INCREASING = "bounds_not_increasing";
    #[allow(missing_docs)] METRIC_WITHOUT_DATA = "metric_without_data";
}

/// A rule by its name.
pub type Rule = &'static str;

/// How often which rule.
#[derive(Debug, Default, Clone)]
pub struct Counts(Vec<(Rule, u64)>);

impl Counts {
    /// So many times more.
    pub fn add(&mut self, rule: Rule, times: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, count)) => *count += times,
            None => self.0.push((rule, times)),
        }
    }

    /// All of another's.
    pub fn add_all(&mut self, other: &Counts) {
        for &(rule, times) in &other.0 {
            self.add(rule, times);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Rules and counts, in the order in which they first came.
    pub fn iter(&self) -> impl Iterator<Item = (Rule, u64)> + '_ {
        self.0.iter().copied()
    }
}
