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
    discrepancies: "Discrepancies", "账实不符";
    suppliers: "Suppliers", "供应商";
    lanes: "Lanes", "通道";
    endpoints: "Endpoints", "回调地址";
    callbacks: "Callbacks", "回调通知";
    businesses: "Businesses", "商户账户";
    products: "Products", "产品";
    audit: "Audit", "操作记录";
    operators: "Operators", "操作员";
    own_password: "Your password", "修改密码";
    search_hint: "Order, batch, account, reference", "订单、批次、账号、流水号";
    find: "Find", "查询";
    menu: "Menu", "菜单";
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
    // Lists.
    oldest_first: "oldest first", "按时间从早到晚";
    newest_first: "newest first", "按时间从晚到早";
    next_page: "Next page →", "下一页 →";
    since: "since", "起始于";
    time: "Time", "时间";
    state: "State", "状态";
    why: "Why", "原因";
    reason: "Reason", "原因说明";
    yuan: "yuan", "元";
    number: "Number", "编号";
    which: "Which", "范围";
    outcome: "Outcome", "结果";
    // Doing.
    pause: "Pause", "暂停";
    resume: "Resume", "恢复";
    cancel: "Cancel", "取消";
    change: "Change", "修改";
    add: "Add", "添加";
    again: "Again", "再次输入";
    paused: "paused", "已暂停";
    open: "open", "正常";
    // Doubts.
    nothing_waits: "Nothing waits for a person.", "没有待人工处理的订单。";
    doubt_help: "Ask the supplier for its word on the reference first. What it says in writing is the evidence. One person proposes, another confirms.", "请先向供应商核实该流水号，其书面答复即为凭据。一人提出，另一人确认。";
    discrepancy_help: "The order is final and stays so. What the merchant should have paid is put right by an adjusting entry. One person proposes, another confirms.", "订单已是终态，不再改变；商户应付金额通过调整分录更正。一人提出，另一人确认。";
    asked_again_at: "The supplier is asked again by itself at", "系统将自动再次查询供应商，时间：";
    evidence: "Evidence", "凭据";
    evidence_hint: "What it rests on: their statement, a ticket …", "依据：供应商对账单、工单号等";
    propose: "Propose", "提出";
    proposes: "proposes", "提出";
    propose_otherwise: "Propose anew", "重新提出";
    confirm: "Confirm", "确认";
    another_confirms: "Another person, who may confirm, has to confirm it.", "须由另一位有权限的人确认。";
    charged: "charged", "已扣款";
    not_charged: "not charged", "未扣款";
    // Suppliers, lanes, endpoints.
    last_quarter_hour: "of the newest orders of the last 15 minutes", "最近 15 分钟的最新订单";
    pause_help: "Paused: no new orders; what a supplier has is still cleared up. The whole fleet knows within seconds.", "暂停后不再派发新订单，已提交的仍会处理完毕；数秒内全部实例生效。";
    lane_help: "Paused: no new orders of the lane go to any supplier; they wait as long as their products allow.", "暂停后该通道的新订单不再派发给任何供应商，等待时间以产品设置为限。";
    ready: "At the broker, waiting", "队列待取";
    growth: "Growth per second", "每秒增减";
    consumers: "Consumers", "消费者";
    queue: "Queue", "队列";
    other_queues: "Other queues", "其他队列";
    queue_help: "What is at the broker is looked at every five seconds.", "消息队列的数据每五秒查看一次。";
    broker_away: "The broker is away", "消息队列不可用";
    parked_messages: "Parked", "搁置消息";
    parked_help: "Messages that could not be read. The order that one may have named is safe in the database: sweepers bring it again. What goes back is read anew, by a newer version for example; what cannot be read then is parked again.", "无法识别的消息。对应的订单保存在数据库中，会被重新派发。退回后将重新读取（例如由新版本读取）；若仍无法识别，会再次搁置。";
    nothing_parked: "Nothing is parked.", "没有搁置的消息。";
    all_of: "all of", "全部来自";
    requeue: "Send back to its queue", "退回原队列";
    drop: "Drop", "丢弃";
    drop_for_good: "Drop for good", "永久丢弃";
    bytes: "Bytes", "字节数";
    body_begins: "The body begins", "内容开头";
    switched_off: "switched off", "已停用";
    tripped: "tripped", "已熔断";
    in_a_row: "in a row", "次连续";
    probed_from: "probed from", "开始探测时间";
    in_a_call: "In a call", "调用中";
    not_known_yet: "not known yet", "尚未明确";
    success_rate: "Success rate", "成功率";
    mean_time: "Mean time", "平均耗时";
    in_lane: "in lane", "通道";
    lane: "Lane", "通道名";
    all_lanes: "all lanes", "全部通道";
    no_supplier: "No supplier yet.", "尚无供应商。";
    supplier: "Supplier", "供应商名";
    product: "Product", "产品名";
    sku: "SKU", "SKU";
    cost: "Cost", "成本";
    priority: "Priority", "优先级";
    waiting_for_worker: "Waiting for a worker", "等待处理";
    waiting_for_supplier: "Waiting for a supplier", "等待供应商";
    oldest_unasked: "Oldest of both", "两者中最早";
    asked: "Asked, not answered", "已提交待结果";
    calling_help: "Those whose lease ends first come first. One whose lease is over has lost its worker: the next one asks the supplier what became of it.", "租约最先到期的在前。租约已过期表示实例已中断，将由其他实例向供应商查询结果。";
    asked_help: "The oldest first. An order that stays here goes to the doubt desk by itself when its supplier may not be asked any more.", "最早的在前。超过供应商查询期限后，订单会自动转为待人工。";
    none_at_suppliers: "There is none.", "没有这样的订单。";
    these_50: "These are the first 50.", "仅显示最前的 50 条。";
    no_lane: "No lane yet: import a catalogue with", "尚无通道，请先导入目录：";
    endpoint: "Endpoint", "地址";
    endpoints_help: "those that are not well", "仅列出异常的地址";
    probes: "Probes", "探测次数";
    set_aside: "set aside", "已搁置";
    probed: "probed in", "探测于";
    with_next_report: "the next report that is due", "下一条到期通知";
    recovering: "recovering", "恢复中";
    probe_now: "Probe now", "立即探测";
    all_well: "All are well.", "全部正常。";
    // Callbacks.
    business: "Business", "商户";
    resend: "Send again", "重新发送";
    resend_report: "Send the report again", "重新发送通知";
    all_given_up: "all that were given up", "全部已放弃的";
    of_a_batch: "of a batch", "某一批次";
    of_an_order: "of an order", "某一订单";
    only_given_up: "only those given up", "仅已放弃的";
    per_second: "per second", "每秒条数";
    jobs: "Jobs that send again", "重发任务";
    job: "Job", "任务";
    progress: "Progress", "进度";
    asked_by: "Asked for by", "发起人";
    running: "running", "进行中";
    cancelled: "cancelled", "已取消";
    finished: "done", "已完成";
    no_job: "No job.", "没有任务。";
    given_up: "Reports that were given up", "已放弃的通知";
    none_given_up: "None was given up.", "没有已放弃的通知。";
    order: "Order", "订单号";
    address: "Address", "通知地址";
    rounds: "Rounds", "轮次";
    last_try: "Last try", "最近一次";
    // Audit and operators.
    operator: "Operator", "操作员名";
    object: "Object", "对象";
    action: "Action", "操作";
    parameters: "Parameters", "参数";
    outcome_done: "done", "已执行";
    outcome_refused: "refused", "被拒绝";
    outcome_unchanged: "unchanged", "无变化";
    nothing_done: "Nothing yet.", "暂无记录。";
    role: "Role", "角色";
    sessions: "Sessions", "会话数";
    active: "active", "启用";
    disabled: "disabled", "已禁用";
    locked: "locked", "已锁定";
    disable: "Disable", "禁用";
    enable: "Enable", "启用账号";
    old_password: "Old password", "原密码";
    new_password: "New password", "新密码";
    not_the_same: "The two new passwords are not the same.", "两次输入的新密码不一致。";
    add_operator: "Add an operator", "添加操作员";
    roles_help: "viewer looks; operator pauses, sends again, proposes; approver confirms; admin says who may what.", "viewer 只看；operator 可暂停、重发、提出；approver 可确认；admin 管理操作员。";
    // Orders and batches.
    with_number: "with the number", "编号";
    no_such_order: "No order carries this. The search takes, whole: an order code, a merchant's number of an order or a batch, an account, a reference at a supplier.", "没有匹配的订单。支持完整的订单号、商户订单号、批次号、充值账号、供应商流水号。";
    first_50: "These are the newest 50.", "仅显示最新的 50 条。";
    biz_code: "Merchant's number", "商户单号";
    batch: "Batch", "批次";
    account: "Account", "账号";
    price: "Price", "价格";
    face_and_price: "Face value, price", "面值、价格";
    stored: "Stored", "入库时间";
    message: "Message", "说明";
    voucher: "Voucher", "卡密";
    there_is_one: "there is one; the merchant reads it", "有，仅商户可读取";
    claims: "Claims", "认领次数";
    report: "Report", "通知";
    next_at: "next at", "下次时间";
    attempts: "Attempts", "尝试记录";
    reference: "reference", "流水号";
    its_number: "Its number", "供应商单号";
    calls: "Calls", "调用次数";
    first_call: "First call", "首次调用";
    last_call: "Last call", "最近调用";
    timeline: "What happened", "时间线";
    only_newest: "Only the newest entries of each kind are shown.", "每类仅显示最新记录。";
    now_and_next: "Now, and next", "当前状态与下一步";
    waits_worker: "It is stored, its money is held. A worker claims it as soon as its lane allows; if its hint was lost, a sweeper sends it again after", "已入库并冻结资金，通道允许时即由处理进程认领；若消息丢失，将在此时间后补发：";
    waits_call: "A worker is calling the supplier now. If the worker is lost, another one goes on after", "正在调用供应商；若处理进程中断，另一进程将在此时间后接手：";
    waits_look: "The supplier has not said the end yet. It is asked again at", "供应商尚未给出最终结果，下次查询时间：";
    waits_person: "In doubt: the supplier may have charged, and nobody knows. One person proposes, another confirms; it ends by itself if the supplier answers.", "存疑：供应商可能已扣款但无法确认。须一人提出、另一人确认；若供应商给出答复则自动结束。";
    contradicted: "It is final, but something contradicts that: two persons have to say what the merchant should have paid.", "订单已是终态，但存在矛盾证据，须两人确认商户应付金额。";
    ended_no_report: "It has ended. No report is due: the batch named no address and the business has none.", "订单已结束，无需通知（批次和账户均未设置通知地址）。";
    ended_told: "It has ended, and the merchant was told.", "订单已结束，商户已收到通知。";
    ended_telling: "It has ended. The merchant is told; the next try is at", "订单已结束，正在通知商户，下次发送时间：";
    ended_given_up: "It has ended, but its report was given up after ten tries: send it again when the merchant's endpoint is well.", "订单已结束，但通知在十次尝试后已放弃；待商户地址恢复后可重新发送。";
    stands_still: "It waits for nothing that we know of: a sweeper or refill check finds out.", "没有等待任何已知事件，请运行 refill check 检查。";
    cancel_order: "Cancel the order", "取消订单";
    cancel_batch: "Cancel what no worker has claimed", "取消尚未被认领的订单";
    cancel_help: "Only as long as no worker has claimed it: its money is free again, the merchant is told.", "仅限尚未被认领的订单：解冻资金并通知商户。";
    to_the_desk: "To the doubt desk", "前往待人工页面";
    items: "Orders in it", "订单数";
    total: "Total", "合计";
    // The timeline.
    t_stored: "stored with batch", "入库，批次";
    t_prepaid: "prepaid", "预存";
    t_held: "held", "冻结";
    t_attempt: "attempt", "尝试";
    t_at: "at", "供应商";
    t_at_most: "at most", "成本上限";
    t_closed: "closed:", "结束：";
    t_upstream: "upstream number", "供应商单号";
    t_decided_by: "decided by", "决定人";
    t_person: "a person has to look", "需人工处理";
    t_over: "closed", "已关闭";
    t_by: "by", "处理人";
    t_final: "final:", "终态：";
    t_report: "report written", "生成通知";
    t_to: "to", "发往";
    t_sent: "report sent, round-try", "发送通知，轮次-次数";
    t_no_result: "no result", "无结果";
    t_fault: "fault:", "责任方：";
    t_not_counted: "does not count as a try", "不计入次数";
    kind_order: "order", "订单";
    kind_money: "money", "资金";
    kind_attempt: "attempt", "尝试";
    kind_evidence: "evidence", "凭据";
    kind_doubt: "doubt", "存疑";
    kind_report: "report", "通知";
    kind_person: "person", "人工";
    // Businesses.
    merchant: "Merchant", "商户名";
    prepaid: "Prepaid", "预存";
    held: "Held", "冻结";
    credit_line: "Credit line", "授信额度";
    left: "Left", "可用";
    no_business: "No business yet.", "尚无商户账户。";
    keys: "Keys", "密钥";
    valid_from: "Valid from", "生效时间";
    valid_until: "Valid until", "失效时间";
    requests_per_second: "Requests per second", "每秒请求数";
    in_flight: "Orders at suppliers at once", "同时在途订单数";
    no_limit: "no limit", "不限";
    ip_allow: "Allowed addresses", "允许的来源地址";
    anywhere: "anywhere", "不限来源";
    report_address: "Reports go to", "通知地址设置";
    report_sign: "signed with", "签名方式";
    retrying: "Reports being tried again", "重试中的通知";
    endpoints_aside: "Endpoints set aside", "被搁置的地址";
    ledger: "Ledger", "账本";
    kind: "Kind", "类型";
    note: "Note", "备注";
    prices: "Prices", "价格表";
    no_entry: "No entry.", "没有记录。";
    face_value: "Face value", "面值";
    on_sale: "On sale", "在售";
    yes: "yes", "是";
    no: "no", "否";
    // Signatures.
    signature: "Signatures", "验签";
    signature_help: "Paste what the merchant sends. Never a private key: none is needed, and none is taken.", "粘贴商户发送的内容。切勿粘贴私钥：无需私钥，也不接受私钥。";
    headers: "Headers, one a line", "请求头，每行一个";
    body: "Body, byte by byte as it is sent", "请求体，须与发送内容逐字节一致";
    their_string: "The string that the merchant has signed, if it is known", "商户实际签名的字符串（可选）";
    examine: "Examine", "检查";
    signature_right: "The signature is right.", "签名正确。";
    signature_wrong: "The signature is not right, or would be refused.", "签名不正确，或会被拒绝。";
    string_to_sign: "The string to sign", "待签名字符串";
    first_difference: "The strings differ first in byte", "首个不同的字节位置";
    must_be: "must be", "应为";
    it_is: "it is", "实为";
    m_private_key: "This holds a private key. It was not looked at and not kept; whoever could see it may have it, so give the account another one.", "内容包含私钥。系统未处理也未保存；但该私钥可能已泄露，请为账户更换密钥。";
    m_far_away: "The timestamp is more than five minutes away from now.", "timestamp 与当前时间相差超过五分钟。";
    m_no_account: "There is no such account, or it is disabled.", "账户不存在或已禁用。";
    m_kind_off: "This kind of signature is not switched on for the account.", "该账户未开通此签名方式。";
    m_no_key: "The account has no key of this kind that is valid now.", "该账户没有当前有效的此类密钥。";
    m_other_key: "None of the usual mistakes fits: another key, another body, or other headers were signed.", "未匹配任何常见错误：可能使用了其他密钥，或签名的请求体、请求头不同。";
    m_secret_key: "MD5 keys are secrets that the console does not read: hash the string above with the key and compare.", "MD5 密钥属于机密，控制台不读取：请用密钥对上述签名串计算后自行比对。";
    m_url_encoded: "The signature was URL-encoded: + / = must be sent as they are.", "签名被 URL 编码：+ / = 须原样发送。";
    m_url_safe: "The signature is in URL-safe Base64: it must be standard Base64, with its padding.", "签名使用了 URL 安全的 Base64，须使用标准 Base64 并保留填充。";
    m_lower_case: "The MD5 signature must be in upper-case digits.", "MD5 签名须为大写十六进制。";
    m_type_not_sent: "signType is in the string that was signed, but was not sent.", "签名串包含 signType，但请求头未发送。";
    m_type_not_signed: "signType was sent, but is not in the string that was signed.", "发送了 signType，但签名串未包含。";
    m_crlf: "The body was signed with CR LF line ends and sent with LF.", "签名时请求体换行为 CRLF，发送时为 LF。";
    m_line_end: "The body was signed with another line end after its last line than it was sent with.", "签名与发送的请求体末尾换行不一致。";
    m_compact: "Compact JSON was signed, and JSON with white space was sent: sign the bytes that are sent.", "签名的是紧凑 JSON，发送的却含空白：须对实际发送的字节签名。";
    m_no_body: "Only the headers were signed, not the body.", "只签名了请求头，未包含请求体。";
    // What needs somebody.
    needs_somebody: "What needs somebody now", "当前需要处理";
    all_quiet: "Nothing.", "无。";
    in_runbook: "in the runbook:", "运维手册章节：";
    a_role_gone: "No process runs of the role", "没有运行中的实例，角色：";
    a_outbox_old: "A stored batch has not been announced for", "批次入库后仍未发布，已等待";
    a_blocked: "Transactions wait for a lock in the database, kept by", "数据库事务等待锁，持有者";
    a_blocked_by_unknown: "Transactions wait for a lock in the database, and who keeps it is not known", "数据库事务等待锁，持有者不明，已等待";
    a_lane_waits: "Orders wait and no supplier has them, in the lane", "订单未提交给供应商，通道";
    a_nobody_takes: "Messages wait and nobody takes them:", "消息积压且无消费者：";
    a_claims_overdue: "A worker was lost with an order and no other takes it up, in the lane", "实例中断后订单无人接手，通道";
    a_unanswered: "A supplier has an order and does not say how it ended, in the lane", "订单已提交但供应商迟迟未答复结果，通道";
    a_reports_late: "A report at an endpoint that is well is overdue", "健康地址的通知已逾期";
    a_doubtful_money: "Money in doubt, in yuan", "存疑金额（元）";
    a_doubt_old: "A doubt has waited for a person", "存疑订单等待人工已";
    a_contradicted_money: "Money of final orders that a supplier contradicts, in yuan", "与供应商结果不符的订单金额（元）";
    a_discrepancy_old: "An order that a supplier contradicts has waited for a person", "与供应商结果不符的订单等待人工已";
    a_discrepancies_many: "Orders are contradicted by a supplier", "与供应商结果不符的订单数";
    a_parked: "Messages could not be read", "有无法识别的消息";
    a_versions_differ: "Versions run side by side", "多个版本同时运行";
    // Overview.
    as_of: "as of", "截至";
    catalogue_version: "catalogue version", "目录版本";
    orders_in: "orders in, per second", "入单（每秒）";
    orders_out: "orders out, per second", "完成（每秒）";
    say_otherwise: "contradicted by a supplier", "与供应商结果不符";
    wait_for_person: "wait for a person", "待人工处理";
    oldest: "oldest", "最早";
    reports_waiting: "reports waiting", "待发通知";
    oldest_due: "oldest due for", "最早到期已";
    reports_parked: "reports given up", "已放弃通知";
    unannounced: "batches not yet at the broker", "未发布批次";
    open_orders: "Open orders by lane", "各通道未完成订单";
    new_orders: "New orders", "新订单";
    failures: "Not charged, of the newest", "最新订单中的失败数";
    balances: "Balances", "余额";
    least_first: "least left first", "可用最少的在前";
    instances: "Running processes", "运行实例";
    version: "Version", "版本";
    host: "Host", "主机";
    heard: "Heard", "最近心跳";
    ago: "ago", "前";
    the_last: "The last", "最近";
    no_data: "No data yet.", "暂无数据。";
    in_and_out: "orders in and out per second", "每秒入单与完成";
    most: "most", "峰值";
    since_start: "The charts go back to the start of this console.", "图表自本控制台启动起记录。";
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
