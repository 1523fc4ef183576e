//! The shapes of a tuning, for the description of the API: they are read and written as `domain` has them.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A synonym.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Synonym)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SynonymJson {
    /// Each term also finds what the others find.
    TwoWay {
        /// Two or more, of at most five words each.
        #[schema(min_items = 2, max_items = 20)]
        terms: Vec<String>,
    },
    /// A term also finds what others find, not the other way round.
    OneWay {
        /// What is searched for.
        #[schema(max_length = 80)]
        from: String,
        /// What else is found.
        #[schema(min_items = 1, max_items = 20)]
        to: Vec<String>,
    },
}

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchRule)]
pub struct RuleJson {
    /// What people and `rules_applied` call it: no two rules have the same.
    #[schema(max_length = 100)]
    name: String,
    /// Whether it is in force at all.
    #[schema(required = false, default = true)]
    enabled: bool,
    /// Which searches.
    when: ConditionJson,
    /// At which time.
    #[schema(required = false)]
    schedule: ScheduleJson,
    /// What happens.
    #[schema(min_items = 1, max_items = 50)]
    actions: Vec<ActionJson>,
}

/// Which searches a rule is about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchCondition)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ConditionJson {
    /// Every search.
    Always {},
    /// Searches with these words.
    Query {
        /// How the words compare.
        matching: MatchingName,
        /// The words, in any case.
        #[schema(max_length = 200)]
        words: String,
    },
    /// Searches within this category or one below it.
    Category {
        /// Its path.
        category: String,
    },
}

/// How the words of a search and those of a condition compare.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Matching)]
#[serde(rename_all = "snake_case")]
pub enum MatchingName {
    /// The same words and no other.
    Is,
    /// The search begins with them.
    StartsWith,
    /// They are in the search, one after the other.
    Contains,
}

/// From a moment to another; an end that is missing is open.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub struct ScheduleJson {
    /// The first moment.
    from: Option<Timestamp>,
    /// The first moment after it.
    until: Option<Timestamp>,
}

/// Something that is done to a search.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchAction)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ActionJson {
    /// A product stands at a place, if the search may show it at all.
    Pin {
        /// Which.
        product_id: Uuid,
        /// From 1.
        #[schema(minimum = 1, maximum = 50)]
        position: u8,
        /// Also when it cannot be bought.
        #[schema(required = false, default = false)]
        even_if_unavailable: bool,
    },
    /// Products score higher.
    Boost {
        /// Which.
        products: SelectorJson,
        /// What becomes of the score.
        #[schema(minimum = 101, maximum = 1000)]
        percent: u16,
    },
    /// Products score lower.
    Bury {
        /// Which.
        products: SelectorJson,
        /// What becomes of the score.
        #[schema(minimum = 1, maximum = 99)]
        percent: u16,
    },
    /// Products are not shown.
    Hide {
        /// Which.
        products: SelectorJson,
    },
    /// Only these products are shown.
    Filter {
        /// Which.
        products: SelectorJson,
    },
    /// The shop goes to another page instead.
    Redirect {
        /// A path of the shop or an `https` address.
        #[schema(max_length = 2000)]
        url: String,
    },
    /// A text beside the hits.
    Banner {
        /// What it says.
        #[schema(max_length = 500)]
        text: String,
        /// Where it leads.
        #[schema(required = false)]
        url: Option<String>,
    },
    /// The search is not suggested to others while they type.
    Unsuggest {},
}

/// A part of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProductSelector)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum SelectorJson {
    /// Named ones.
    Products {
        /// Which.
        #[schema(min_items = 1, max_items = 100)]
        product_ids: Vec<Uuid>,
    },
    /// Of a category and all below it.
    Category {
        /// Its path.
        category: String,
    },
    /// Of a brand, in any case.
    Brand {
        /// Its name.
        brand: String,
    },
    /// With an attribute or an option of a variant, in any case.
    Attribute {
        /// Such as `colour`.
        name: String,
        /// Such as `Navy Blue`.
        value: String,
    },
}

/// How much each field and each signal counts: 100 is as shipped, 0 takes it out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldWeights)]
pub struct WeightsJson {
    /// The title.
    #[schema(required = false, maximum = 1000, default = 100)]
    title: u16,
    /// The brand.
    #[schema(required = false, maximum = 1000, default = 100)]
    brand: u16,
    /// The words of the category.
    #[schema(required = false, maximum = 1000, default = 100)]
    category: u16,
    /// Attributes and options of variants.
    #[schema(required = false, maximum = 1000, default = 100)]
    attributes: u16,
    /// The description.
    #[schema(required = false, maximum = 1000, default = 100)]
    description: u16,
    /// What reviews say.
    #[schema(required = false, maximum = 1000, default = 100)]
    reviews: u16,
    /// What was sold lately.
    #[schema(required = false, maximum = 1000, default = 100)]
    popularity: u16,
    /// How it is rated.
    #[schema(required = false, maximum = 1000, default = 100)]
    rating: u16,
    /// That it came into the catalogue lately.
    #[schema(required = false, maximum = 1000, default = 100)]
    newness: u16,
    /// That it cannot be bought, which counts against it.
    #[schema(required = false, maximum = 1000, default = 100)]
    stock: u16,
    /// That it is of the category, or has the attribute, that a search names.
    #[schema(required = false, maximum = 1000, default = 100)]
    intent: u16,
}
