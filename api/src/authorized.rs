//! Permission proved in the signature: a handler that asks for `Authorized<ManageProducts>` cannot be reached
//! without.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use domain::permission::Permission;

use crate::app_state::AppState;
use crate::caller::{Caller, token_required};
use crate::error_code::ErrorCode;
use crate::problem::Problem;

/// A permission as a type.
pub trait Asks {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! permission_type {
    ($($(#[$documentation:meta])* $name:ident),+ $(,)?) => {
        $(
            $(#[$documentation])*
            #[derive(Debug)]
            pub struct $name;

            impl Asks for $name {
                const PERMISSION: Permission = Permission::$name;
            }
        )+
    };
}

permission_type!(
    /// Create and change products.
    ManageProducts,
    /// See one's own orders.
    ReadOwnOrders,
    /// See reports.
    ReadReports,
    /// See stock and its ledger.
    ReadInventory,
    /// See what consumers gave up, and send it again.
    ManageEvents,
    /// Rebuild and repair the search index.
    ManageIndex,
    /// Change stock by hand.
    ManageInventory,
    /// Say who gets webhooks, and see what was sent.
    ManageWebhooks,
    /// Set synonyms, rules and weights of the search, and put them live.
    TuneSearch,
);

/// A caller who holds the permission `P`.
#[derive(Debug)]
pub struct Authorized<P> {
    caller: Caller,
    permission: PhantomData<P>,
}

impl<P> Deref for Authorized<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<P: Asks> FromRequest for Authorized<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authorize(request))
    }
}

fn authorize<P: Asks>(request: &HttpRequest) -> Result<Authorized<P>, Problem> {
    let caller = state(request)?.tokens.caller(request)?.ok_or_else(token_required)?;
    require(&caller, P::PERMISSION)?;
    Ok(Authorized { caller, permission: PhantomData })
}

/// A permission that is asked for by a parameter, not by the whole route.
pub fn require(caller: &Caller, permission: Permission) -> Result<(), Problem> {
    if caller.holds(permission) {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::PermissionDenied, format!("{permission:?} is needed")))
}

/// Who asks, on a route that is open to all.
#[derive(Debug)]
pub struct Anyone(pub Option<Caller>);

impl Anyone {
    /// Whether a permission is held.
    pub fn holds(&self, permission: Permission) -> bool {
        self.0.is_some_and(|caller| caller.holds(permission))
    }

    /// The permission, or the problem that says what is missing.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        require(&self.0.ok_or_else(token_required)?, permission)
    }
}

impl FromRequest for Anyone {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(state(request).and_then(|state| state.tokens.caller(request)).map(Self))
    }
}

fn state(request: &HttpRequest) -> Result<&AppState, Problem> {
    request
        .app_data::<web::Data<AppState>>()
        .map(|state| state.as_ref())
        .ok_or_else(|| Problem::internal("the application has no state"))
}
