//! A plot of order: when a message arrived, against when it was sent.

/// Columns and rows of letters.
const WIDTH: usize = 64;
const HEIGHT: usize = 16;
/// Each letter of braille has 2 × 4 dots: <https://www.unicode.org/charts/PDF/U2800.pdf>
const DOTS_ACROSS: usize = 2;
const DOTS_DOWN: usize = 4;
const BRAILLE: u32 = 0x2800;
const DOTS: [[u32; DOTS_ACROSS]; DOTS_DOWN] =
    [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// `places` holds, for each message in the order of arrival, its place in the order of sending.
pub(crate) fn plot(places: &[usize]) -> String {
    let mut letters = vec![vec![BRAILLE; WIDTH]; HEIGHT];
    let end = places.len().saturating_sub(1).max(1);
    for (arrived, sent) in places.iter().enumerate() {
        let across = scale(arrived, end, WIDTH * DOTS_ACROSS);
        // the first sent at the bottom
        let down = HEIGHT * DOTS_DOWN - 1 - scale(*sent, end, HEIGHT * DOTS_DOWN);
        let letter = letters
            .get_mut(down / DOTS_DOWN)
            .and_then(|row| row.get_mut(across / DOTS_ACROSS));
        let dot = DOTS
            .get(down % DOTS_DOWN)
            .and_then(|row| row.get(across % DOTS_ACROSS));
        if let (Some(letter), Some(dot)) = (letter, dot) {
            *letter |= dot;
        }
    }
    let mut text = format!("sent ↑  {} messages\n", places.len());
    for row in letters {
        let row: String = row.into_iter().filter_map(char::from_u32).collect();
        text.push('│');
        text.push_str(row.trim_end_matches('\u{2800}'));
        text.push('\n');
    }
    text.push('└');
    text.push_str(&"─".repeat(WIDTH));
    text.push_str(" received →");
    text
}

/// `value` of `0..=end` onto `0..count`.
fn scale(value: usize, end: usize, count: usize) -> usize {
    (value * (count - 1) + end / 2) / end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(places: &[usize]) -> Vec<String> {
        plot(places).lines().map(str::to_owned).collect()
    }

    #[test]
    fn messages_in_order_are_a_diagonal() {
        let rows = rows(&(0..1000).collect::<Vec<_>>());
        assert_eq!(rows.len(), 1 + HEIGHT + 1);
        let ends: Vec<usize> = rows[1..=HEIGHT]
            .iter()
            .map(|row| row.chars().count())
            .collect();
        // each row reaches less far to the right than the one above it
        assert!(ends.windows(2).all(|pair| pair[0] > pair[1]), "{ends:?}");
        assert_eq!(ends[0], 1 + WIDTH);
    }

    #[test]
    fn one_message_that_is_late_stands_away_from_the_diagonal() {
        let rows = rows(&[1, 2, 3, 0]);
        assert_eq!(rows[1].chars().count(), 1 + scale(2, 3, 128) / 2 + 1);
        // the first sent came last: the corner at the bottom right
        assert_eq!(rows[HEIGHT].chars().count(), 1 + WIDTH);
    }

    #[test]
    fn nothing_and_one_message_have_a_plot_too() {
        assert!(plot(&[]).starts_with("sent ↑  0"));
        assert!(plot(&[0]).contains('⡀'));
    }
}
