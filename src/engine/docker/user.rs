//! The number behind the name of an image's user.

use std::io::Read;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder};
use futures_util::StreamExt;

use super::Docker;
use super::deadline::{ARCHIVE, within};
use crate::engine::error::EngineError;
use crate::engine::process::lease_labels;
use crate::model::User;
use crate::plan::ImageFacts;

/// The most of `/etc/passwd` and `/etc/group` that is read.
const MAX_FILE: usize = 1 << 20;

impl Docker {
    /// Replaces a user that an image names by its number, which the owner of a volume must be known
    /// by. A name that the image does not explain is left as it is.
    pub async fn resolve_user(&self, image: &mut ImageFacts) -> Result<(), EngineError> {
        let (name, group) = image.user.split_once(':').unwrap_or((&image.user, ""));
        if !image.names_user() {
            return Ok(());
        }
        // A container that is never started, for its files.
        let body = ContainerCreateBody {
            image: Some(image.id.clone()),
            cmd: Some(vec!["-".to_owned()]),
            // So that it is found if nobody is left to remove it.
            labels: Some(lease_labels().into_iter().collect()),
            ..ContainerCreateBody::default()
        };
        let short: String = image.id.trim_start_matches("sha256:").chars().take(12).collect();
        let look = format!("mcpo-deploy-look-{}-{short}", std::process::id());
        self.remember_probe(&look);
        let options = CreateContainerOptionsBuilder::default().name(&look).build();
        let created = self.api.create_container(Some(options), body).await;
        let what = format!("look into image {}", image.id);
        created.map_err(EngineError::failed(&what))?;
        let files = within(ARCHIVE, &what, async {
            Ok((self.text_of(&look, "/etc/passwd").await, self.text_of(&look, "/etc/group").await))
        })
        .await;
        self.remove_probe(&look).await?;
        let (passwd, groups) = files?;
        if let Some(user) = user_of(name, group, &passwd, &groups) {
            image.user = user.to_string();
        }
        Ok(())
    }

    /// A file of a container's; empty where there is none.
    async fn text_of(&self, id: &str, path: &str) -> String {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let mut archive = self.api.download_from_container(id, Some(options)).boxed();
        let mut bytes = Vec::new();
        while let Some(Ok(chunk)) = archive.next().await {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_FILE {
                break;
            }
        }
        let mut text = String::new();
        if let Some(Ok(mut entry)) =
            tar::Archive::new(&*bytes).entries().ok().and_then(|mut entries| entries.next())
        {
            // What cannot be read explains no name.
            let _ = entry.read_to_string(&mut text);
        }
        text
    }
}

/// passwd(5) and group(5): the user's number and group, by name or number.
fn user_of(name: &str, group: &str, passwd: &str, groups: &str) -> Option<User> {
    let row = |text: &str, name: &str| {
        let rows = text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<String>>());
        rows.into_iter().find(|fields| fields.first().is_some_and(|first| first == name))
    };
    let known = row(passwd, name);
    let uid = name.parse().ok().or_else(|| known.as_ref()?.get(2)?.parse().ok())?;
    let own = || known.as_ref()?.get(3)?.parse().ok();
    let gid = if group.is_empty() {
        own()
    } else {
        group.parse().ok().or_else(|| row(groups, group)?.get(2)?.parse().ok())
    };
    Some(User { uid, gid: gid.unwrap_or(uid) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_the_numbers_that_the_image_gives_them() {
        let (passwd, groups) = ("root:x:0:0::/:/bin/sh\napp:x:1001:1002::/app:\n", "staff:x:50:\n");
        let of = |name, group| user_of(name, group, passwd, groups);
        assert_eq!(of("app", ""), Some(User { uid: 1001, gid: 1002 }));
        assert_eq!(of("app", "staff"), Some(User { uid: 1001, gid: 50 }));
        assert_eq!(of("1001", "staff"), Some(User { uid: 1001, gid: 50 }));
        assert_eq!(of("nobody", ""), None);
    }
}
