//! One data point: what is read of it, the rules it must keep, what is odd about it, and what each op reads from it.

use bumpalo::Bump;

use crate::accepted::{INT64_MAX, Terms, microseconds, outside_window, remainder};
use crate::buckets::{Buckets, sum_of, zigzag};
use crate::counts::{
    BOUNDS_NOT_INCREASING, BUCKETS_INCONSISTENT, COUNT_OUT_OF_RANGE, Counts, EXEMPLAR_DROPPED, POINT_TIME_MISSING,
    POINT_VALUE_MISSING, Rule, START_AFTER_TIME, TIME_OUT_OF_RANGE,
};
use crate::cursor::{Broken, Cursor, DEPTH_MAX};
use crate::exemplar::{Exemplar, Number};
use crate::field;
use crate::json::{self, Object};
use crate::kind::Kind;
use crate::op::PointOp;
use crate::tree::{List, Tree};

/// The flag of a point that says: there is no value, and that is meant.
const NO_RECORDED_VALUE: u32 = 1;

/// A data point of any kind as it was sent; its vectors are used again for the next one.
pub struct Point<'a> {
    /// Its values.
    pub tree: Tree<'a>,
    /// Once it is read a document.
    pub attributes: List,
    start: u64,
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
    flags: u32,
    value: Option<Number>,
    count: u64,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    bucket_counts: Vec<u64>,
    bounds: Vec<f64>,
    exemplars: Vec<Exemplar<'a>>,
    scale: i32,
    zero_count: u64,
    zero_threshold: f64,
    positive: Buckets,
    negative: Buckets,
    quantiles: Vec<(f64, f64)>,
}

impl<'a> Point<'a> {
    /// Read the point of that kind in `data` in the place of the last one, but for its attributes: the bytes that hold all of
    /// them, one field after the other, or None where other fields stand between.
    pub fn parse(&mut self, data: &'a [u8], kind: Kind) -> Result<Option<&'a [u8]>, Broken> {
        self.clear();
        let (mut start, mut end, mut is_apart) = (0, 0, false);
        let (attributes, mut cursor) = (kind.attributes(), Cursor::new(data));
        loop {
            let at = data.len() - cursor.left();
            let Some(tag) = cursor.tag()? else { break };
            match tag {
                _ if tag == attributes => {
                    cursor.delimited()?;
                    if end == 0 {
                        start = at;
                    } else {
                        is_apart |= at != end;
                    }
                    end = data.len() - cursor.left();
                }
                0x11 => self.start = cursor.fixed64()?,
                0x19 => self.time = cursor.fixed64()?,
                _ => match kind {
                    Kind::Gauge | Kind::Sum => self.number_field(tag, &mut cursor)?,
                    Kind::Histogram => self.histogram_field(tag, &mut cursor)?,
                    Kind::ExponentialHistogram => self.exponential_field(tag, &mut cursor)?,
                    Kind::Summary => self.summary_field(tag, &mut cursor)?,
                },
            }
        }
        Ok(if is_apart { None } else { data.get(start..end) })
    }

    /// Read the attributes of the point of that kind in `data`.
    pub fn parse_attributes(&mut self, data: &'a [u8], kind: Kind) -> Result<(), Broken> {
        let (attributes, mut cursor) = (kind.attributes(), Cursor::new(data));
        while let Some(tag) = cursor.tag()? {
            if tag == attributes {
                self.tree.attribute(cursor.delimited()?, DEPTH_MAX - 1, &mut self.attributes)?;
            } else {
                cursor.skip(tag, DEPTH_MAX)?;
            }
        }
        Ok(())
    }

    /// Of nobody yet. Strings that are repaired go to `repaired`.
    pub fn new(repaired: &'a Bump) -> Self {
        Point {
            tree: Tree::new(repaired),
            attributes: List::EMPTY,
            start: 0,
            time: 0,
            flags: 0,
            value: None,
            count: 0,
            sum: None,
            min: None,
            max: None,
            bucket_counts: Vec::new(),
            bounds: Vec::new(),
            exemplars: Vec::new(),
            scale: 0,
            zero_count: 0,
            zero_threshold: 0.0,
            positive: Buckets::default(),
            negative: Buckets::default(),
            quantiles: Vec::new(),
        }
    }

    /// As `new`, field by field: to move the vectors out and in again costs more than all of this.
    fn clear(&mut self) {
        self.tree.clear();
        self.attributes = List::EMPTY;
        (self.start, self.time, self.flags) = (0, 0, 0);
        (self.value, self.count) = (None, 0);
        (self.sum, self.min, self.max) = (None, None, None);
        self.bucket_counts.clear();
        self.bounds.clear();
        self.exemplars.clear();
        (self.scale, self.zero_count, self.zero_threshold) = (0, 0, 0.0);
        self.positive.clear();
        self.negative.clear();
        self.quantiles.clear();
    }

    fn number_field(&mut self, tag: u32, cursor: &mut Cursor<'a>) -> Result<(), Broken> {
        match tag {
            0x21 => cursor.fixed64().map(|bits| self.value = Some(Number::Double(f64::from_bits(bits)))),
            0x31 => cursor.fixed64().map(|bits| self.value = Some(Number::Int(bits as i64))),
            0x2a => Exemplar::parse(cursor.delimited()?, DEPTH_MAX - 1, &mut self.tree).map(|found| self.exemplars.push(found)),
            0x40 => cursor.varint().map(|flags| self.flags = flags as u32),
            _ => cursor.skip(tag, DEPTH_MAX),
        }
    }

    fn histogram_field(&mut self, tag: u32, cursor: &mut Cursor<'a>) -> Result<(), Broken> {
        let double = |cursor: &mut Cursor<'a>| cursor.fixed64().map(f64::from_bits);
        match tag {
            0x21 => self.count = cursor.fixed64()?,
            0x29 => self.sum = Some(double(cursor)?),
            0x31 => self.bucket_counts.push(cursor.fixed64()?),
            0x32 => packed_fixed64(cursor.delimited()?, |bits| self.bucket_counts.push(bits))?,
            0x39 => self.bounds.push(double(cursor)?),
            0x3a => packed_fixed64(cursor.delimited()?, |bits| self.bounds.push(f64::from_bits(bits)))?,
            0x42 => self.exemplars.push(Exemplar::parse(cursor.delimited()?, DEPTH_MAX - 1, &mut self.tree)?),
            0x50 => self.flags = cursor.varint()? as u32,
            0x59 => self.min = Some(double(cursor)?),
            0x61 => self.max = Some(double(cursor)?),
            _ => cursor.skip(tag, DEPTH_MAX)?,
        }
        Ok(())
    }

    fn exponential_field(&mut self, tag: u32, cursor: &mut Cursor<'a>) -> Result<(), Broken> {
        let double = |cursor: &mut Cursor<'a>| cursor.fixed64().map(f64::from_bits);
        match tag {
            0x21 => self.count = cursor.fixed64()?,
            0x29 => self.sum = Some(double(cursor)?),
            0x30 => self.scale = zigzag(cursor.varint()?),
            0x39 => self.zero_count = cursor.fixed64()?,
            0x42 => self.positive.parse(cursor.delimited()?, DEPTH_MAX - 1)?,
            0x4a => self.negative.parse(cursor.delimited()?, DEPTH_MAX - 1)?,
            0x50 => self.flags = cursor.varint()? as u32,
            0x5a => self.exemplars.push(Exemplar::parse(cursor.delimited()?, DEPTH_MAX - 1, &mut self.tree)?),
            0x61 => self.min = Some(double(cursor)?),
            0x69 => self.max = Some(double(cursor)?),
            0x71 => self.zero_threshold = double(cursor)?,
            _ => cursor.skip(tag, DEPTH_MAX)?,
        }
        Ok(())
    }

    fn summary_field(&mut self, tag: u32, cursor: &mut Cursor<'a>) -> Result<(), Broken> {
        // The sum of a summary is always there.
        self.sum.get_or_insert(0.0);
        match tag {
            0x21 => self.count = cursor.fixed64()?,
            0x29 => self.sum = Some(f64::from_bits(cursor.fixed64()?)),
            0x32 => self.quantile(cursor.delimited()?, DEPTH_MAX - 1)?,
            0x40 => self.flags = cursor.varint()? as u32,
            _ => cursor.skip(tag, DEPTH_MAX)?,
        }
        Ok(())
    }

    fn quantile(&mut self, data: &[u8], depth: u32) -> Result<(), Broken> {
        let (mut quantile, mut value) = (0.0, 0.0);
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            match tag {
                0x09 => quantile = f64::from_bits(cursor.fixed64()?),
                0x11 => value = f64::from_bits(cursor.fixed64()?),
                _ => cursor.skip(tag, depth)?,
            }
        }
        self.quantiles.push((quantile, value));
        Ok(())
    }

    /// The first rejection rule that the point breaks.
    pub fn check(&self, kind: Kind, now: i64, terms: &Terms) -> Result<(), Rule> {
        if self.time == 0 {
            return Err(POINT_TIME_MISSING);
        }
        if self.time.max(self.start) > INT64_MAX || self.exemplars.iter().any(|exemplar| exemplar.time > INT64_MAX) {
            return Err(TIME_OUT_OF_RANGE);
        }
        if let Some(rule) = outside_window(microseconds(self.time), now, terms) {
            return Err(rule);
        }
        if matches!(kind, Kind::Gauge | Kind::Sum) {
            let is_missing = self.value.is_none() && self.flags & NO_RECORDED_VALUE == 0;
            return if is_missing { Err(POINT_VALUE_MISSING) } else { Ok(()) };
        }
        let counts = [&self.bucket_counts, &self.positive.counts, &self.negative.counts].into_iter().flatten();
        let highest = counts.copied().max().unwrap_or(0).max(self.count).max(self.zero_count);
        if highest > INT64_MAX { Err(COUNT_OUT_OF_RANGE) } else { Ok(()) }
    }

    /// What no specification allows about it, each once.
    pub fn oddities(&self, kind: Kind, odd: &mut Counts) {
        if self.start > self.time {
            odd.add(START_AFTER_TIME, 1);
        }
        if kind == Kind::Histogram {
            let (bounds, counts) = (&self.bounds, &self.bucket_counts);
            let is_fitting = bounds.is_empty() && counts.is_empty() || counts.len() == bounds.len() + 1;
            if !is_fitting || !counts.is_empty() && sum_of(counts) != u128::from(self.count) {
                odd.add(BUCKETS_INCONSISTENT, 1);
            }
            let is_nan = bounds.first().is_some_and(|bound| bound.is_nan());
            if is_nan || !bounds.windows(2).all(|pair| matches!(pair, [lower, upper] if lower < upper)) {
                odd.add(BOUNDS_NOT_INCREASING, 1);
            }
        } else if kind == Kind::ExponentialHistogram {
            let counted = sum_of(&self.positive.counts) + sum_of(&self.negative.counts) + u128::from(self.zero_count);
            if counted != u128::from(self.count) {
                odd.add(BUCKETS_INCONSISTENT, 1);
            }
        }
    }

    /// Drop the exemplars that cannot be kept, and make documents of the attributes of the others.
    pub fn read_exemplars(&mut self, counts: &mut Counts) {
        let before = self.exemplars.len();
        self.exemplars.retain(Exemplar::is_whole);
        let dropped = before - self.exemplars.len();
        if dropped > 0 {
            counts.add(EXEMPLAR_DROPPED, dropped as u64);
        }
        for exemplar in &mut self.exemplars {
            self.tree.read(&mut exemplar.attributes, counts);
        }
    }

    /// The field of one op.
    pub fn write(&self, out: &mut Vec<u8>, op: PointOp, kind: Kind, series: &[u8; 16]) {
        let is_histogram = matches!(kind, Kind::Histogram | Kind::ExponentialHistogram);
        let optional = |out: &mut Vec<u8>, value: Option<f64>| match value {
            Some(value) => field::float8(out, value),
            None => field::null(out),
        };
        match op {
            PointOp::TimeUs => field::timestamptz(out, microseconds(self.time)),
            PointOp::TimeNanos => field::int2(out, remainder(self.time)),
            PointOp::StartUs if self.start > 0 => field::timestamptz(out, microseconds(self.start)),
            PointOp::StartNanos if self.start > 0 => field::int2(out, remainder(self.start)),
            PointOp::StartUs | PointOp::StartNanos => field::null(out),
            PointOp::Flags => field::int8(out, self.flags.into()),
            PointOp::SeriesId => field::raw(out, series),
            PointOp::Value => match self.value {
                Some(Number::Int(value)) => field::float8(out, value as f64),
                Some(Number::Double(value)) => field::float8(out, value),
                None => field::null(out),
            },
            PointOp::IntValue => match self.value {
                Some(Number::Int(value)) => field::int8(out, value),
                _ => field::null(out),
            },
            PointOp::Count if is_histogram || kind == Kind::Summary => field::int8(out, self.count as i64),
            PointOp::Count => field::null(out),
            PointOp::Sum if kind == Kind::Summary => field::float8(out, self.sum.unwrap_or_default()),
            PointOp::Sum => optional(out, self.sum),
            PointOp::Min => optional(out, self.min),
            PointOp::Max => optional(out, self.max),
            PointOp::Bounds if kind == Kind::Histogram => field::float8s(out, &self.bounds),
            PointOp::BucketCounts if kind == Kind::Histogram => field::int8s(out, &self.bucket_counts),
            PointOp::Bounds | PointOp::BucketCounts => field::null(out),
            PointOp::Distribution => self.write_distribution(out, kind),
            PointOp::Exemplars => self.write_exemplars(out),
            PointOp::TraceId => match self.exemplars.iter().find(|exemplar| !exemplar.trace_id.is_empty()) {
                Some(exemplar) => field::raw(out, exemplar.trace_id),
                None => field::null(out),
            },
        }
    }

    fn write_distribution(&self, out: &mut Vec<u8>, kind: Kind) {
        if !matches!(kind, Kind::ExponentialHistogram | Kind::Summary) {
            return field::null(out);
        }
        let json = field::open(out);
        out.push(1);
        let mut object = Object::open(out);
        if kind == Kind::Summary {
            self.write_quantiles(object.member("quantiles"));
        } else {
            if self.scale != 0 {
                json::integer(object.member("scale"), self.scale);
            }
            if self.zero_count != 0 {
                json::integer(object.member("zero_count"), self.zero_count);
            }
            if self.zero_threshold != 0.0 || self.zero_threshold.is_sign_negative() {
                json::double(object.member("zero_threshold"), self.zero_threshold);
            }
            for (name, buckets) in [("positive", &self.positive), ("negative", &self.negative)] {
                if buckets.is_there {
                    buckets.write(object.member(name));
                }
            }
        }
        object.close();
        field::close(out, json);
    }

    fn write_quantiles(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (index, &(quantile, value)) in self.quantiles.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"quantile\":");
            json::double(out, quantile);
            out.extend_from_slice(b",\"value\":");
            json::double(out, value);
            out.push(b'}');
        }
        out.push(b']');
    }

    fn write_exemplars(&self, out: &mut Vec<u8>) {
        if self.exemplars.is_empty() {
            return field::null(out);
        }
        let json = field::open(out);
        out.push(1);
        for (index, exemplar) in self.exemplars.iter().enumerate() {
            out.push(if index > 0 { b',' } else { b'[' });
            exemplar.write(out, &self.tree);
        }
        out.push(b']');
        field::close(out, json);
    }
}

fn packed_fixed64(data: &[u8], mut push: impl FnMut(u64)) -> Result<(), Broken> {
    let (numbers, rest) = data.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(Broken);
    }
    numbers.iter().for_each(|number| push(u64::from_le_bytes(*number)));
    Ok(())
}
