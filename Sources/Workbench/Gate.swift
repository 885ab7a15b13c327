import Foundation

/// Who may ask. A page of another site that the browser shows could send requests to this machine: the `Origin` of a request says where its page is
/// from, and the `Host` under which name the browser looked this machine up (a name of the other site where that points here: DNS rebinding).
struct Gate: Sendable {
    let settings: ServerSettings
    /// That the server really listens on.
    let port: Int
    static let cookie = "orrery_token"

    /// - Throws: `Refusal` with 400, 401, 403 or 421.
    func check(_ ask: Ask) throws(Refusal) {
        guard let host = ask.headers["host"], !host.isEmpty else { throw Refusal(400, "the header Host is missing") }
        guard isOwn(authority: host) else {
            throw Refusal(
                421, "this server is not \(host.prefix(80))", suggestion: "use \(settings.address(port: port).prefix { $0 != "?" })")
        }
        if let origin = ask.headers["origin"] {
            guard origin.hasPrefix("http://"), isOwn(authority: String(origin.dropFirst(7))),
                origin.dropFirst(7).lowercased() == host.lowercased()
            else { throw Refusal(403, "the request comes from a page of another site") }
        }
        if let site = ask.headers["sec-fetch-site"], site == "cross-site" || site == "same-site", ask.method != "GET" || ask.path != "/" {
            throw Refusal(403, "the request comes from a page of another site")
        }
        guard let token = settings.token else { return }
        guard offered(ask).contains(where: { Self.equal($0, token) }) else {
            throw Refusal(401, "the token is missing or wrong", suggestion: "send the header Authorization: Bearer TOKEN")
                .with("www-authenticate", "Bearer")
        }
    }

    /// Whether a name and port are this server's. Whoever has a token may use any name.
    private func isOwn(authority: String) -> Bool {
        if settings.token != nil, !settings.isLoopback { return true }
        let text = authority.lowercased()
        let names = ["localhost", "127.0.0.1", "[::1]", settings.host.lowercased()]
        return names.contains { text == "\($0):\(port)" || port == 80 && text == $0 }
    }

    /// Whether the query holds the token, which the browser shall keep as a cookie and forget in its address.
    func isLogin(_ ask: Ask) -> Bool { settings.token != nil && ask.path == "/" && ask.query.hasPrefix("token=") }

    private func offered(_ ask: Ask) -> [String] {
        var tokens: [String] = []
        if let header = ask.headers["authorization"], header.lowercased().hasPrefix("bearer ") {
            tokens.append(String(header.dropFirst(7)))
        }
        if isLogin(ask) { tokens.append(String(ask.query.dropFirst(6).prefix { $0 != "&" })) }
        for part in (ask.headers["cookie"] ?? "").split(separator: ";") {
            let pair = part.drop { $0 == " " }.split(separator: "=", maxSplits: 1)
            if pair.count == 2, pair[0] == Self.cookie { tokens.append(String(pair[1])) }
        }
        return tokens
    }

    /// In a time that does not tell how many characters are right.
    private static func equal(_ a: String, _ b: String) -> Bool {
        let (a, b) = (Array(a.utf8), Array(b.utf8))
        var difference = UInt8(a.count == b.count ? 0 : 1)
        for index in b.indices { difference |= b[index] ^ (index < a.count ? a[index] : 0) }
        return difference == 0
    }

    /// Of every answer: nothing of another site is loaded, no code stands in a page, nobody frames it, and nobody keeps it.
    static let headers: [(name: String, value: String)] = [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ), ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"), ("x-frame-options", "DENY"), ("cache-control", "no-store"),
    ]
}
