//! Metavariables: `$cluster`, `$type`, `$id`, `$num`, `$name`, `$host`, `$pid`, `$cctid`, `$home`, and any option's name.
//!
//! `$word` or `${word}`, a word being lower-case letters and underscores. What is not known stays as it is. Oddities are
//! librados's: `$home` drops what stands before it, `${` without its brace shrinks to `$`, and an option that needs itself
//! becomes a dollar and the name of the option that closed the circle.

/// Gives the value of a metavariable or option; None: there is none of that name.
pub trait Lookup {
    /// `within` are the options that are being expanded, outermost first.
    fn lookup(&self, word: &str, within: &[&str]) -> Option<Found>;
}

/// What a word stands for.
pub enum Found {
    Text(String),
    /// Replaces everything before it.
    Home(String),
    /// The word is an option that is being expanded already.
    Circle,
}

/// Expands `text`, the raw value of the last option of `within`.
pub fn expand(text: &str, within: &[&str], vars: &dyn Lookup) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        let braced = rest.starts_with('{');
        let body = &rest[usize::from(braced)..];
        let end = body.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(body.len());
        let (word, after) = body.split_at(end);
        let closed = if braced { after.strip_prefix('}') } else { Some(after) };
        rest = closed.unwrap_or(after);
        if word.is_empty() || closed.is_none() {
            out.push('$');
            continue;
        }
        match vars.lookup(word, within) {
            Some(Found::Text(value)) => out.push_str(&value),
            Some(Found::Home(home)) => out = home,
            Some(Found::Circle) => {
                tracing::warn!(option = within.last(), word, "an option's value refers to itself");
                return format!("${word}");
            }
            None if braced => out.push_str(&format!("${{{word}}}")),
            None => out.push_str(&format!("${word}")),
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Vars;

    impl Lookup for Vars {
        fn lookup(&self, word: &str, within: &[&str]) -> Option<Found> {
            if within.contains(&word) {
                return Some(Found::Circle);
            }
            let nested = |text: &str| {
                let mut within = within.to_vec();
                let word = ["a", "b"].into_iter().find(|w| *w == word)?;
                within.push(word);
                Some(Found::Text(expand(text, &within, self)))
            };
            match word {
                "id" => Some(Found::Text("foo".to_string())),
                "home" => Some(Found::Home("/root".to_string())),
                "a" => nested("x $b y"),
                "b" => nested("u $a v"),
                _ => None,
            }
        }
    }

    /// Each line was tried with rados_conf_set and rados_conf_get of Ceph's library.
    #[test]
    fn words_expand_as_in_librados() {
        let of = |text: &str| expand(text, &["log_file"], &Vars);
        assert_eq!(of("/x/$id.log"), "/x/foo.log");
        assert_eq!(of("${id}x-$idx-${id-$id}"), "foox-$idx-$-foo}");
        assert_eq!(
            of("${nosuch} ${id $ {id} ${} $. $id.x $id_ ${ID}"),
            "${nosuch} $ $ {id} $ $. foo.x $id_ $ID}"
        );
        assert_eq!(of("x$ ${ $$id"), "x$ $ $foo");
        assert_eq!(of("lost $home.b"), "/root.b");
        assert_eq!(of("\\$id $"), "\\foo $");
    }

    #[test]
    fn circles_end() {
        assert_eq!(expand("$log_file", &["log_file"], &Vars), "$log_file");
        assert_eq!(expand("x $b y", &["a"], &Vars), "x $a y");
    }
}
