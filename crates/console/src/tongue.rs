//! Every word of the pages, in both languages side by side: a word that is missing in one does not compile.

macro_rules! words {
    ($($name:ident: $english:literal, $chinese:literal;)*) => {
        /// The words of one language.
        pub(crate) struct Words {
            $(pub(crate) $name: &'static str,)*
        }
        /// English.
        pub(crate) static ENGLISH: Words = Words { $($name: $english,)* };
        /// Chinese.
        pub(crate) static CHINESE: Words = Words { $($name: $chinese,)* };
        #[cfg(test)]
        const ALL: &[(&str, &str, &str)] = &[$((stringify!($name), $english, $chinese),)*];
    };
}

words! {
    lang: "en", "zh-CN";
    overview: "Overview", "总览";
    orders: "Orders", "订单";
    doubts: "Doubts", "待人工";
    suppliers: "Suppliers", "供应商";
    search_hint: "Order, batch, account, reference", "订单、批次、账号、流水号";
    find: "Find", "查询";
    skip: "Skip to the content", "跳到正文";
    sign_in: "Sign in", "登录";
    sign_out: "Sign out", "退出";
    name: "Name", "用户名";
    password: "Password", "密码";
    sign_in_failed: "Name or password is wrong, or there were too many tries: then wait for some minutes.", "用户名或密码错误，或尝试次数过多；如属后者，请几分钟后再试。";
    sign_in_help: "The first operator is added on the server: refill operator add NAME --role admin", "首个操作员在服务器上添加：refill operator add NAME --role admin";
    light: "Light", "浅色";
    dark: "Dark", "深色";
    done: "Done.", "已完成。";
    footer: "Times are China Standard Time (UTC+8), money is yuan.", "时间均为北京时间（UTC+8），金额单位为元。";
    nowhere: "Not found", "未找到";
    nowhere_why: "There is no such page or order. An order code has 32 hexadecimal digits; the search also takes the merchant's numbers.", "没有这个页面或订单。订单号为 32 位十六进制；也可用商户的单号查询。";
    bad_request: "Bad request", "请求有误";
    bad_request_why: "The request cannot be read.", "无法识别该请求。";
    foreign: "Not from this page", "来源不符";
    foreign_why: "The form did not come from a page of this console, or its session is over. Nothing was changed: go back, load the page again, and repeat it.", "表单不是从本控制台页面提交的，或会话已结束。未作任何更改：请返回、刷新页面后重试。";
    not_allowed: "Not allowed", "没有权限";
    not_done: "Not done", "未执行";
    slow: "The database is slow", "数据库响应慢";
    slow_why: "It did not answer within 3 seconds. Orders are safe where they are; try again shortly.", "3 秒内没有响应。订单数据是安全的，请稍后再试。";
    away: "The database is away", "数据库不可用";
    away_why: "It cannot be reached now. Orders are safe where they are, and work goes on when it is back.", "暂时无法连接。订单数据是安全的，恢复后会继续处理。";
    broke: "This page broke", "页面出错";
    broke_why: "The console's log says why.", "原因见控制台日志。";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_are_complete() {
        for (name, english, chinese) in ALL {
            assert!(
                !english.trim().is_empty() && !chinese.trim().is_empty(),
                "{name}"
            );
            let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
            assert!(!english.contains(is_han), "{name}: {english}");
            let code = english == chinese;
            assert!(
                chinese.contains(is_han) || code || *name == "lang",
                "{name}: {chinese}"
            );
        }
    }

    #[test]
    fn no_word_is_the_same_in_both_but_what_has_no_other_name() {
        let same: Vec<_> = ALL
            .iter()
            .filter(|(_, e, c)| e == c)
            .map(|(name, ..)| *name)
            .collect();
        assert!(same.iter().all(|name| NAMES.contains(name)), "{same:?}");
    }

    const NAMES: [&str; 1] = ["sku"];
}
