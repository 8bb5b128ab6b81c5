//! The words that logs, metrics and commands say. A page in Chinese explains them, and keeps them, because that is what is searched for.

use std::borrow::Cow;

use domain::Reason;

use crate::tongue::{CHINESE, Words};

const EXPLAINED: [(&str, &str); 68] = [
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
    ("discrepant", "与订单不符"),
    ("not found", "查无此单"),
    ("not sent", "未发出"),
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
    // Why a message could not be read.
    ("too_big", "过大"),
    ("not_json", "不是 JSON"),
    ("unknown_version", "版本未知"),
    ("bad_business", "商户无效"),
    ("bad_order", "订单号无效"),
    // What persons did.
    ("sign-in", "登录"),
    ("sign-out", "退出"),
    ("own-password", "修改本人密码"),
    ("supplier.pause", "暂停供应商"),
    ("supplier.resume", "恢复供应商"),
    ("lane.pause", "暂停通道"),
    ("lane.resume", "恢复通道"),
    ("endpoint.pause", "暂停地址"),
    ("endpoint.resume", "恢复地址"),
    ("callback.resend", "重发通知"),
    ("job.pause", "暂停任务"),
    ("job.resume", "恢复任务"),
    ("job.cancel", "取消任务"),
    ("order.cancel", "取消订单"),
    ("doubt.propose", "提出存疑结论"),
    ("doubt.confirm", "确认存疑结论"),
    ("doubt.settle", "单人结案"),
    ("parked.requeue", "退回消息"),
    ("parked.drop", "丢弃消息"),
    ("catalog.import", "导入目录"),
    ("keys.seal", "重新加密密钥"),
    ("operator.add", "添加操作员"),
    ("operator.role", "修改角色"),
    ("operator.active", "启用或禁用"),
    ("operator.password", "重设密码"),
    ("token.add", "添加令牌"),
    ("token.revoke", "吊销令牌"),
];

/// Why an order waits for a person: whole sentences, which nobody searches a log for. One that is missing does not compile.
const fn in_chinese(reason: Reason) -> &'static str {
    match reason {
        Reason::SupplierGone => "该供应商已不在目录中",
        Reason::CannotBeAsked => "调用结果未知，且该供应商不支持查询",
        Reason::AcceptedWithoutEnd => "供应商已受理，但一直未告知最终结果",
        Reason::UnknownForTooLong => "在允许以同一流水号重发的期限内，结果始终未知",
        Reason::NoEndForTooLong => "在查询期限内，供应商始终未给出最终结果",
        Reason::OtherAccount => "供应商所报账号与订单不符",
        Reason::OtherFaceValue => "供应商所报面值与订单不符",
        Reason::OtherAmount => "供应商实际充值金额与订单面值不符",
        Reason::ChargedFailure => "供应商称失败，却又报有充值金额",
        Reason::PartialSuccess => "供应商称部分成功",
        Reason::SuccessThenFailure => "供应商先报成功，后又报失败",
        Reason::ChargeAfterAll => "尝试已按未扣费结束，供应商却称已扣费",
        Reason::FailureAfterAll => "尝试已按已扣费结束，供应商却称失败",
        Reason::UnfitAfterTheEnd => "供应商所报内容与订单不符",
    }
}

/// A code, in Chinese with what it means before it.
pub(crate) fn explained<'c>(w: &'static Words, code: &'c str) -> Cow<'c, str> {
    let meaning = EXPLAINED.iter().find(|(known, _)| *known == code);
    match meaning {
        Some((_, meaning)) if w.lang == CHINESE.lang => format!("{meaning} {code}").into(),
        _ => code.into(),
    }
}

/// Why an order waits for a person; what is not ours to say stays as it is.
pub(crate) fn reason<'c>(w: &'static Words, reason: &'c str) -> &'c str {
    match Reason::of(reason) {
        Some(known) if w.lang == CHINESE.lang => in_chinese(known),
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Action;
    use crate::tongue::ENGLISH;

    #[test]
    fn whatever_a_person_may_do_has_a_name_in_chinese() {
        for action in Action::ALL {
            let word = action.word();
            assert_ne!(explained(&CHINESE, word), word);
        }
    }

    #[test]
    fn every_reason_is_told_in_both_languages() {
        let mut told: Vec<_> = Reason::ALL
            .iter()
            .map(|known| {
                assert_eq!(reason(&ENGLISH, known.text()), known.text());
                reason(&CHINESE, known.text())
            })
            .collect();
        assert!(told.iter().all(|sentence| !sentence.is_ascii()), "{told:?}");
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), Reason::ALL.len());
        assert_eq!(
            reason(&CHINESE, "what a person wrote"),
            "what a person wrote"
        );
    }

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
