//! `GET /categories`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use domain::category::Category;
use domain::ids::CategoryId;
use serde::Serialize;
use store::mongo::categories;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::Anyone;
use crate::cache_control;
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};

/// Most categories of one answer.
const COUNT_MAX: u16 = 1_000;

/// Which part of the tree.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CategoryQuery {
    /// Path of a category: only what is below it. Without it: the whole tree.
    #[param(max_length = 300, example = "women/dresses")]
    pub parent: Option<String>,
}

impl ReadQuery for CategoryQuery {
    fn read(parameters: &mut Parameters) -> Self {
        Self { parent: parameters.text("parent", 300) }
    }
}

/// An attribute of the products of a category.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CategoryAttribute)]
pub struct AttributeJson {
    /// Such as `colour`.
    pub name: String,
    /// The values that there are; none: any text.
    pub values: Vec<String>,
}

/// A category.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Category)]
pub struct CategoryJson {
    /// Id.
    pub id: Uuid,
    /// Path of slugs from the root: what a product's `category` holds.
    #[schema(example = "women/dresses")]
    pub path: String,
    /// Name.
    pub name: String,
    /// What its products say about themselves.
    pub attributes: Vec<AttributeJson>,
    /// The categories right below it, in the order of the shop.
    #[schema(no_recursion)]
    pub children: Vec<CategoryJson>,
    /// Counts every change, from 1.
    pub version: i64,
}

/// The tree, or a part of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CategoryTree {
    /// The roots, or the children of `parent`, in the order of the shop.
    data: Vec<CategoryJson>,
}

/// The tree of categories, at most 1,000 of them; a larger one is asked for in parts.
#[utoipa::path(
    get,
    path = "/api/v1/categories",
    tag = "catalogue",
    params(CategoryQuery),
    responses(
        (status = 200, description = "The tree", body = CategoryTree,
         headers(("Cache-Control" = String), ("Vary" = String), ("Surrogate-Key" = String))),
        ReadProblems,
    ),
    security((), ("bearer" = [])),
)]
pub async fn category_tree(
    caller: Anyone,
    query: FromQuery<CategoryQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(CategoryQuery { parent: path }) = query;
    let parent = match &path {
        Some(path) => {
            let found = categories::find_by_path(&state.mongo, path).await?;
            Some(found.ok_or_else(|| Problem::not_found("category"))?.id)
        }
        None => None,
    };
    let found = categories::list(&state.mongo, path.as_deref(), i64::from(COUNT_MAX) + 1).await?;
    if found.len() > usize::from(COUNT_MAX) {
        let detail = format!("more than {COUNT_MAX} categories: ask for what is below one of them");
        return Err(Problem::invalid_field("/parent", "too_many", detail));
    }
    let mut answer = HttpResponse::Ok();
    for header in cache_control::headers(&caller, cache_control::PRODUCTS) {
        answer.insert_header(header);
    }
    if caller.0.is_none() {
        answer.insert_header(("surrogate-key", "categories"));
    }
    Ok(answer.json(CategoryTree { data: tree(found, parent) }))
}

/// The categories right below one, each with its own. What hangs on none of them is left out.
fn tree(categories: Vec<Category>, root: Option<CategoryId>) -> Vec<CategoryJson> {
    let mut by_parent: HashMap<Option<CategoryId>, Vec<Category>> = HashMap::new();
    for category in categories {
        by_parent.entry(category.parent_id).or_default().push(category);
    }
    below(root, &mut by_parent)
}

/// Takes what it uses, so that no circle goes on for ever.
fn below(
    parent: Option<CategoryId>,
    by_parent: &mut HashMap<Option<CategoryId>, Vec<Category>>,
) -> Vec<CategoryJson> {
    let mut children = by_parent.remove(&parent).unwrap_or_default();
    children.sort_by(|one, other| (one.position, &one.path).cmp(&(other.position, &other.path)));
    children
        .into_iter()
        .map(|category| CategoryJson {
            id: category.id.0,
            children: below(Some(category.id), by_parent),
            path: category.path,
            name: category.name,
            attributes: category
                .attributes
                .into_iter()
                .map(|attribute| AttributeJson { name: attribute.name, values: attribute.values })
                .collect(),
            version: category.version,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(number: u128, parent: Option<u128>, position: u32) -> Category {
        let id = |number| CategoryId(Uuid::from_u128(number));
        Category {
            id: id(number),
            path: format!("c{number}"),
            name: String::new(),
            parent_id: parent.map(id),
            position,
            attributes: Vec::new(),
            version: 1,
        }
    }

    fn shape(tree: &[CategoryJson]) -> String {
        let one = |category: &CategoryJson| format!("{}({})", category.path, shape(&category.children));
        tree.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn children_hang_on_their_parents_in_the_order_of_the_shop() {
        let categories = vec![
            category(1, None, 1),
            category(2, Some(1), 1),
            category(3, Some(1), 0),
            category(4, None, 0),
        ];
        assert_eq!(shape(&tree(categories.clone(), None)), "c4() c1(c3() c2())");
        let one = Some(CategoryId(Uuid::from_u128(1)));
        assert_eq!(shape(&tree(categories, one)), "c3() c2()");
    }

    #[test]
    fn a_circle_ends() {
        let categories = vec![category(1, Some(2), 0), category(2, Some(1), 0)];
        assert_eq!(shape(&tree(categories.clone(), None)), "");
        assert_eq!(shape(&tree(categories, Some(CategoryId(Uuid::from_u128(1))))), "c2(c1())");
    }
}
