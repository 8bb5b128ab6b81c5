//! Products: what they are, which way they go, what they cost.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use domain::Catalogue;
use domain::catalogue::Route;
use domain::product::{Face, Product};
use serde::Deserialize;

use super::{Asked, Page, page};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::lists::Listed;
use crate::tongue::Words;
use crate::words;

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
    Asked(after): Asked<After>,
) -> Page {
    let Listed { rows, next } = desk.products(&after.after);
    page(&ProductsPage {
        w: frame.w,
        frame,
        next,
        products: rows,
        catalogue: desk.catalogue(),
    })
}
