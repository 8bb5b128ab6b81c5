//! Products: what they are, which way they go, what they cost.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use domain::Catalogue;
use domain::catalogue::Route;
use domain::product::{Face, Product};
use serde::Deserialize;

use super::{Page, page};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::tongue::Words;
use crate::words;

/// The products of a page.
const LISTED: usize = 100;

#[derive(Template)]
#[template(path = "products.html")]
struct ProductsPage {
    w: &'static Words,
    frame: Frame,
    products: Vec<Product>,
    catalogue: Arc<Catalogue>,
    next: Option<String>,
}

impl ProductsPage {
    fn routes_of(&self, product: &Product) -> &[Route] {
        let routes = self.catalogue.routes.get(&product.code);
        routes.map_or(&[], Vec::as_slice)
    }

    fn face(product: &Product) -> String {
        match product.face {
            Face::Fixed(value) => words::money(value),
            Face::Range { min, max, step } => {
                format!(
                    "{} – {}, + {}",
                    words::money(min),
                    words::money(max),
                    words::money(step)
                )
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct After {
    #[serde(default)]
    after: String,
}

pub(super) async fn products(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Query(after): Query<After>,
) -> Page {
    let catalogue = desk.catalogue();
    let mut products: Vec<Product> = catalogue.products.values().cloned().collect();
    products.sort_by(|a, b| a.code.as_str().cmp(b.code.as_str()));
    products.retain(|product| product.code.as_str() > after.after.as_str());
    let is_full = products.len() > LISTED;
    products.truncate(LISTED);
    let next = products.last().filter(|_| is_full);
    page(&ProductsPage {
        w: frame.w,
        frame,
        next: next.map(|last| last.code.to_string()),
        products,
        catalogue,
    })
}
