use super::{Journal, JournalError, now, to_word};
use crate::domain::EmailAddress;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use uuid::Uuid;

/// The source of a person's membership in an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonSource {
    /// The schedule
    Schedule,
    /// `beamshare users add`
    Added,
}

/// A person's membership in an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonState {
    /// One of its people
    Present,
    /// No longer listed by the schedule
    Unlisted,
    /// Removed by hand; neither the schedule nor a tagging undoes it
    Removed,
}

/// A present or former member of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// Their address
    pub email: EmailAddress,
    /// The name; empty where it is not known
    pub name: String,
    /// The source of the membership
    pub source: PersonSource,
    /// The membership
    pub state: PersonState,
    /// The delivery that has applied this state; `None` where it is still owed
    pub delivery: Option<i64>,
}

/// Someone on the proposal who can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Their address
    pub email: EmailAddress,
    /// The name in the schedule
    pub name: String,
}

/// Someone on the proposal who can't be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreachable {
    /// The name in the schedule
    pub name: String,
    /// Why, e.g. `no e-mail address`
    pub reason: String,
}

impl Journal {
    /// The experiment's present and former members besides the PI and `share_with`, by name.
    pub async fn people(&self, experiment: Uuid) -> Result<Vec<PersonRow>, JournalError> {
        let mut transaction = self.pool.begin().await.map_err(|e| self.sql(e))?;
        self.people_in(&mut transaction, experiment).await
    }

    async fn people_in(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: Uuid,
    ) -> Result<Vec<PersonRow>, JournalError> {
        let rows = sqlx::query("SELECT * FROM person WHERE experiment = $1 ORDER BY name, email")
            .bind(experiment.to_string())
            .fetch_all(&mut **transaction)
            .await
            .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.person_row(row)).collect()
    }

    /// The people on the experiment's proposal who can't be reached.
    pub async fn unreachable(&self, experiment: Uuid) -> Result<Vec<Unreachable>, JournalError> {
        let rows = sqlx::query("SELECT name, reason FROM unreachable WHERE experiment = $1 ORDER BY name")
            .bind(experiment.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        Ok(rows.iter().map(|row| Unreachable { name: row.get("name"), reason: row.get("reason") }).collect())
    }

    /// Records the people whom the schedule lists now; changes by hand stay in force. Returns whether other
    /// people than before get the data.
    pub async fn set_listed(
        &self,
        experiment: Uuid,
        listed: &[Listed],
        unreachable: &[Unreachable],
    ) -> Result<bool, JournalError> {
        let mut transaction = self.begin().await?;
        let known = self.people_in(&mut transaction, experiment).await?;
        let mut changed = false;
        for Listed { email, name } in listed {
            let before = known.iter().find(|person| person.email == *email);
            let state = match before.map(|person| (person.state, person.delivery)) {
                Some((state @ (PersonState::Present | PersonState::Removed), _)) => state,
                None | Some((PersonState::Unlisted, _)) => PersonState::Present,
            };
            let is_new = before.is_none_or(|person| person.state != state);
            let person = PersonRow {
                email: email.clone(),
                name: name.clone(),
                source: before.map_or(PersonSource::Schedule, |person| person.source),
                state,
                delivery: before.filter(|_| !is_new).and_then(|person| person.delivery),
            };
            if before != Some(&person) {
                self.write_person(&mut transaction, experiment, &person).await?;
            }
            changed |= is_new;
        }
        let gone = known.into_iter().filter(|person| {
            person.source == PersonSource::Schedule
                && person.state == PersonState::Present
                && !listed.iter().any(|listed| listed.email == person.email)
        });
        for person in gone {
            let person = PersonRow { state: PersonState::Unlisted, delivery: None, ..person };
            self.write_person(&mut transaction, experiment, &person).await?;
            changed = true;
        }
        sqlx::query("DELETE FROM unreachable WHERE experiment = $1")
            .bind(experiment.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(|e| self.sql(e))?;
        for Unreachable { name, reason } in unreachable {
            sqlx::query(
                "INSERT INTO unreachable (experiment, name, reason) VALUES ($1, $2, $3) \
                 ON CONFLICT (experiment, name) DO NOTHING",
            )
            .bind(experiment.to_string())
            .bind(name)
            .bind(reason)
            .execute(&mut *transaction)
            .await
            .map_err(|e| self.sql(e))?;
        }
        self.commit(transaction).await?;
        Ok(changed)
    }

    /// Adds a person by hand, also one who was removed. Returns `false` for somebody who was a member
    /// already.
    pub async fn add_person(
        &self,
        experiment: Uuid,
        email: &EmailAddress,
        name: &str,
    ) -> Result<bool, JournalError> {
        let mut transaction = self.begin().await?;
        let before = self.person_in(&mut transaction, experiment, email).await?;
        let is_there = before.as_ref().is_some_and(|person| person.state == PersonState::Present);
        let person = PersonRow {
            email: email.clone(),
            name: match (&before, name) {
                (Some(before), "") => before.name.clone(),
                _ => name.to_owned(),
            },
            source: PersonSource::Added,
            state: PersonState::Present,
            delivery: before.as_ref().filter(|_| is_there).and_then(|person| person.delivery),
        };
        self.write_person(&mut transaction, experiment, &person).await?;
        self.commit(transaction).await?;
        Ok(!is_there)
    }

    /// Removes a person by hand until they are added again, also somebody not known yet. Returns `false` for
    /// somebody who was not a member.
    pub async fn remove_person(&self, experiment: Uuid, email: &EmailAddress) -> Result<bool, JournalError> {
        let mut transaction = self.begin().await?;
        let before = self.person_in(&mut transaction, experiment, email).await?;
        let was_there = before.as_ref().is_some_and(|person| person.state == PersonState::Present);
        let person = PersonRow {
            email: email.clone(),
            name: before.as_ref().map(|person| person.name.clone()).unwrap_or_default(),
            source: PersonSource::Added,
            state: PersonState::Removed,
            // A person who was not a member has no access to lose.
            delivery: before.as_ref().filter(|_| !was_there).and_then(|person| person.delivery),
        };
        self.write_person(&mut transaction, experiment, &person).await?;
        self.commit(transaction).await?;
        Ok(was_there)
    }

    /// The experiment's people. Changes that are still owed become this delivery's; it is resumed after a
    /// kill.
    pub async fn take_up_people(
        &self,
        experiment: Uuid,
        delivery: i64,
    ) -> Result<Vec<PersonRow>, JournalError> {
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE person SET delivery = $2 WHERE experiment = $1 AND delivery IS NULL")
            .bind(experiment.to_string())
            .bind(delivery)
            .execute(&mut *transaction)
            .await
            .map_err(|e| self.sql(e))?;
        let people = self.people_in(&mut transaction, experiment).await?;
        self.commit(transaction).await?;
        Ok(people)
    }

    /// The experiments with changes of people that no delivery has applied yet, and the source of the
    /// changes.
    pub async fn owed_people(&self) -> Result<Vec<(Uuid, PersonSource)>, JournalError> {
        let rows = sqlx::query(
            "SELECT experiment, MIN(source) AS source FROM person WHERE delivery IS NULL GROUP BY experiment",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        rows.iter()
            .map(|row| {
                let experiment = self.uuid("person.experiment", row.get("experiment"))?;
                Ok((experiment, self.word("person.source", row.get("source"))?))
            })
            .collect()
    }

    async fn person_in(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: Uuid,
        email: &EmailAddress,
    ) -> Result<Option<PersonRow>, JournalError> {
        let row = sqlx::query("SELECT * FROM person WHERE experiment = $1 AND email = $2")
            .bind(experiment.to_string())
            .bind(email.username())
            .fetch_optional(&mut **transaction)
            .await
            .map_err(|e| self.sql(e))?;
        row.map(|row| self.person_row(&row)).transpose()
    }

    async fn write_person(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: Uuid,
        person: &PersonRow,
    ) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO person (experiment, email, name, source, state, delivery, changed_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (experiment, email) DO UPDATE SET name = excluded.name, source = excluded.source, \
             state = excluded.state, delivery = excluded.delivery, changed_at = excluded.changed_at",
        )
        .bind(experiment.to_string())
        .bind(person.email.username())
        .bind(&person.name)
        .bind(to_word(person.source))
        .bind(to_word(person.state))
        .bind(person.delivery)
        .bind(now())
        .execute(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    fn person_row(&self, row: &SqliteRow) -> Result<PersonRow, JournalError> {
        let email: String = row.get("email");
        Ok(PersonRow {
            email: email.parse().map_err(|_| self.content("person.email", email))?,
            name: row.get("name"),
            source: self.word("person.source", row.get("source"))?,
            state: self.word("person.state", row.get("state"))?,
            delivery: row.get("delivery"),
        })
    }
}
