//! Buckets of S3, and of stores that speak as it does.

use object_store::{
    Error, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
};

/// Settings as Flink calls them, and as the client does.
const SETTINGS: &[(&str, AmazonS3ConfigKey)] = &[
    ("s3.endpoint", AmazonS3ConfigKey::Endpoint),
    ("s3.access-key", AmazonS3ConfigKey::AccessKeyId),
    ("s3.secret-key", AmazonS3ConfigKey::SecretAccessKey),
    ("s3.session-token", AmazonS3ConfigKey::Token),
    ("s3.region", AmazonS3ConfigKey::Region),
    ("s3.endpoint.region", AmazonS3ConfigKey::Region),
];
const PATH_STYLE: &str = "s3.path.style.access";

/// The bucket and what follows it in `s3://bucket/folder`, or `s3a://...`; none if it is no such URL.
pub fn bucket_and_path(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("s3://").or_else(|| url.strip_prefix("s3a://"))?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// A client of a bucket, with these settings: `s3.endpoint`, `s3.access-key`, `s3.secret-key`, `s3.session-token`, `s3.region` and
/// `s3.path.style.access`. What they leave out is taken from the `AWS_*` variables of the environment. Asks nothing of the store yet.
pub fn bucket<'a>(
    name: &str,
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    retry: RetryConfig,
) -> Result<AmazonS3, Error> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(name)
        .with_retry(retry);
    for (key, value) in settings {
        if let Some((_, known)) = SETTINGS.iter().find(|(name, _)| *name == key) {
            builder = builder.with_config(*known, value);
        } else if key == PATH_STYLE {
            builder = builder.with_virtual_hosted_style_request(value != "true");
        }
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        builder = builder.with_allow_http(true);
    }
    builder.build()
}
