//! The words that logs, metrics and commands say. A page in Chinese explains them, and keeps them, because that is what is searched for.

use std::borrow::Cow;

use crate::tongue::{CHINESE, Words};

const EXPLAINED: [(&str, &str); 33] = [
    ("deposit", "入账"),
    ("hold", "冻结"),
    ("settle", "扣款"),
    ("release", "解冻"),
    ("adjust", "调整"),
    ("submit", "提交"),
    ("query", "查询"),
    ("push", "推送"),
    ("operator", "人工"),
    ("calling", "调用中"),
    ("accepted", "已受理"),
    ("processing", "处理中"),
    ("succeeded", "成功"),
    ("failed", "失败"),
    ("rejected", "被拒"),
    ("unknown", "结果未知"),
    ("charged", "已扣费"),
    ("not charged", "未扣费"),
    ("waiting", "等待"),
    ("being sent", "发送中"),
    ("delivered", "已送达"),
    ("parked", "已搁置"),
    ("doubt", "存疑"),
    ("discrepancy", "矛盾"),
    ("not_success", "对方未确认"),
    ("http_error", "HTTP 错误"),
    ("redirected", "被重定向"),
    ("timed_out", "超时"),
    ("broken", "连接中断"),
    ("theirs", "对方"),
    ("network", "网络"),
    ("name", "域名"),
    ("ours", "我方"),
];

/// A code, in Chinese with what it means before it.
pub(crate) fn explained<'c>(w: &'static Words, code: &'c str) -> Cow<'c, str> {
    let meaning = EXPLAINED.iter().find(|(known, _)| *known == code);
    match meaning {
        Some((_, meaning)) if w.lang == CHINESE.lang => format!("{meaning} {code}").into(),
        _ => code.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tongue::ENGLISH;

    #[test]
    fn a_code_is_explained_in_chinese_and_kept() {
        assert_eq!(explained(&CHINESE, "hold"), "冻结 hold");
        assert_eq!(
            explained(&CHINESE, "a code of tomorrow"),
            "a code of tomorrow"
        );
        assert_eq!(explained(&ENGLISH, "hold"), "hold");
    }
}
