//! The sessions of the accounts that a batch touches.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::Timestamp;
use domain::account::AccountEvent;
use domain::id::{AccountId, SessionId};
use sqlx::PgConnection;
use uuid::Uuid;

/// Whether an event changes anything in the sessions of its account.
pub(super) fn touched_by(event: &AccountEvent) -> bool {
    match event {
        AccountEvent::SessionOpened(_)
        | AccountEvent::RefreshReused(_)
        | AccountEvent::SessionRevoked(_)
        | AccountEvent::ErasureRequested(_)
        | AccountEvent::PersonalDataErased(_) => true,
        AccountEvent::AccountRegistered(_)
        | AccountEvent::PasswordChanged(_)
        | AccountEvent::TokenRefreshed(_) => false,
    }
}

/// By account: when each of its sessions is over.
pub(super) struct Sessions(HashMap<AccountId, BTreeMap<SessionId, Timestamp>>);

impl Sessions {
    pub(super) async fn load(
        db: &mut PgConnection,
        accounts: impl Iterator<Item = AccountId>,
    ) -> sqlx::Result<Self> {
        let ids: BTreeSet<Uuid> = accounts.map(|account| account.0).collect();
        if ids.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let mut sessions: HashMap<_, BTreeMap<_, _>> =
            ids.iter().map(|id| (AccountId(*id), BTreeMap::new())).collect();
        let rows: Vec<(Uuid, Uuid, Timestamp)> = sqlx::query_as(
            "DELETE FROM account_sessions WHERE account = ANY($1) \
             RETURNING account, session, expires_at",
        )
        .bind(ids)
        .fetch_all(db)
        .await?;
        for (account, session, expires_at) in rows {
            sessions.entry(AccountId(account)).or_default().insert(SessionId(session), expires_at);
        }
        Ok(Self(sessions))
    }

    /// As the account itself keeps them.
    pub(super) fn take(&mut self, account: AccountId, event: &AccountEvent) {
        let Some(sessions) = self.0.get_mut(&account) else { return };
        match event {
            AccountEvent::SessionOpened(opened) => {
                sessions.retain(|_, expires_at| *expires_at > opened.opened_at);
                sessions.insert(opened.session, opened.expires_at);
            }
            AccountEvent::RefreshReused(reused) => {
                sessions.remove(&reused.session);
            }
            AccountEvent::SessionRevoked(revoked) => {
                sessions.remove(&revoked.session);
            }
            AccountEvent::ErasureRequested(_) | AccountEvent::PersonalDataErased(_) => {
                sessions.clear();
            }
            AccountEvent::AccountRegistered(_)
            | AccountEvent::PasswordChanged(_)
            | AccountEvent::TokenRefreshed(_) => {}
        }
    }

    /// Writes those that are left; the load has taken all away.
    pub(super) async fn store(self, db: &mut PgConnection) -> sqlx::Result<()> {
        let (mut accounts, mut ids, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (account, sessions) in self.0 {
            for (session, expires_at) in sessions {
                accounts.push(account.0);
                ids.push(session.0);
                ends.push(expires_at);
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO account_sessions (account, session, expires_at) \
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::timestamptz[])",
        )
        .bind(accounts)
        .bind(ids)
        .bind(ends)
        .execute(db)
        .await
        .map(|_| ())
    }
}
