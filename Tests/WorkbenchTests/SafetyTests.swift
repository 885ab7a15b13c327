import Foundation
import Quantities
import Testing

@testable import Workbench

@Suite("The server is safe")
struct SafetyTests {
    @Test("only this machine's names are answered to, and no page of another site")
    func gate() throws {
        let bench = try Bench()
        for host in ["127.0.0.1:8765", "localhost:8765", "LOCALHOST:8765", "[::1]:8765"] {
            #expect(bench.get("/api/version", ["host": host]).status == 200, "\(host)")
            #expect(bench.get("/api/version", ["host": host, "origin": "http://\(host)"]).status == 200)
        }
        for host in ["evil.example", "evil.example:8765", "127.0.0.1:80", "localhost", "127.0.0.1.evil.example:8765"] {
            #expect(bench.get("/api/version", ["host": host]).status == 421, "\(host)")
        }
        #expect(bench.get("/api/version", ["host": ""]).status == 400)
        for origin in ["http://evil.example", "https://127.0.0.1:8765", "null", "http://127.0.0.1:9999", "http://localhost:8765"] {
            #expect(bench.get("/api/version", ["origin": origin]).status == 403, "\(origin)")
        }
        #expect(bench.get("/api/version", ["sec-fetch-site": "cross-site"]).status == 403)
        #expect(bench.get("/", ["sec-fetch-site": "cross-site"]).status == 200)
    }

    @Test("with a token nothing is answered without it")
    func token() throws {
        var settings = ServerSettings()
        settings.host = "0.0.0.0"
        #expect(throws: Fault.self) { try settings.checked() }
        settings.token = "short"
        #expect(throws: Fault.self) { try settings.checked() }
        settings.token = "s3cret-token"
        _ = try settings.checked()
        let bench = try Bench(settings)
        let host = ["host": "gpu-box.lan:8765"]
        for path in ["/", "/page.js", "/api/version", "/?token=wrong-token", "/?token="] {
            #expect(bench.get(path, host).status == 401, "\(path)")
        }
        #expect(bench.get("/api/version", host.merging(["authorization": "Bearer s3cret-token"]) { $1 }).status == 200)
        #expect(bench.get("/api/version", host.merging(["authorization": "Bearer s3cret-tokeN"]) { $1 }).status == 401)
        #expect(bench.get("/api/version?token=s3cret-token", host).status == 401, "in the address of the page only")
        let login = bench.get("/?token=s3cret-token", host)
        #expect(login.status == 303)
        #expect(login["set-cookie"]?.contains("HttpOnly; SameSite=Strict") == true)
        #expect(bench.get("/api/version", host.merging(["cookie": "a=b; orrery_token=s3cret-token"]) { $1 }).status == 200)
    }

    @Test("every answer forbids foreign and inline code")
    func headers() throws {
        let bench = try Bench()
        for reply in [bench.get("/"), bench.get("/api/version"), bench.get("/nothing"), try bench.post("/api/run", "x")] {
            #expect(reply["content-security-policy"]?.hasPrefix("default-src 'none'; script-src 'self'") == true)
            #expect(reply["content-security-policy"]?.contains("unsafe") == false)
            #expect(reply["x-content-type-options"] == "nosniff")
        }
        let page = bench.get("/").text
        #expect(page.matches(of: /<script(?! src="\/[a-z]+\.js" defer><\/script>)/).isEmpty)
        #expect(page.matches(of: /\sstyle=|\son[a-z]+=/).isEmpty)
        for match in page.matches(of: /(?:src|href)="(\/[a-z.]+)"/) { #expect(bench.get(String(match.1)).status == 200, "\(match.1)") }
    }

    /// Every key that names a file, with a file that is there: that it is not said to be missing shows that nobody looked.
    @Test(
        "no scenario reads a file",
        arguments: [
            "extends: FILE", "model: {huggingface: FILE}", "software: {measurements: FILE}", "layout: {schedule: {file: FILE}}",
            "cluster: {gpu: a100-sxm-80gb, gpus: 8, inter_node: {topology: {file: FILE}}}",
            "conditions: {failures: {causes: [{name: gpu, per: gpu, distribution: {trace: FILE}}]}}",
            "conditions: {spot: {trace: FILE}}", "conditions: {spot: {preemption_per_hour: 5%, price: FILE}}",
            "conditions: {elastic: {nodes: [1, 2], policy: replicas, pace: FILE}}",
        ])
    func files(_ keys: String) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("orrery-secret-\(UUID().uuidString).csv")
        try "time_s,nodes\nsecret,1\n".write(to: folder, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: folder) }
        let base: [String: String] = [
            "model": "{preset: llama2-7b}", "cluster": "{preset: a100-node}", "training": "{global_batch: 8, sequence: 512, steps: 10}",
        ]
        let section = String(keys.prefix { $0 != ":" })
        let bench = try Bench()
        // A time to resize is a path only where it ends so.
        for path in keys.contains("resize") ? [folder.path] : [folder.path, "/etc/passwd", "/dev/zero"] {
            let text =
                base.filter { $0.key != section }.map { "\($0.key): \($0.value)\n" }.sorted().joined()
                + keys.replacing("FILE", with: "\"\(path)\"") + "\n"
            for question in ["/api/run", "/api/view", "/api/search", "/api/sweep"] {
                let reply = try bench.post(
                    question, ["scenario": text].merging(question == "/api/sweep" ? ["vary": ["layout.zero=0,1"]] : [:]) { $1 })
                #expect(reply.status == 422, "\(question): \(reply.text.prefix(300))")
                #expect(
                    reply.errors.contains { $0["reason"] as? String == "no file is read here" }, "\(question): \(reply.text.prefix(600))")
                #expect(!reply.text.contains("secret,") && !reply.text.contains("root:"))
            }
        }
    }

    @Test("garbage never makes an internal fault")
    func garbage() throws {
        let bench = try Bench()
        var generator = SystemRandomNumberGenerator()
        let seed = UInt64.random(in: 0..<1 << 32, using: &generator)
        var state = seed
        func random(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(max(1, below)))
        }
        let pieces = [
            "{", "}", "[", "]", ":", ",", "-", "\n", " ", "0", "-1", "1e999", "~", "&a", "*a", "true", "1T", "gpus", "é", "\u{0}", "|",
            "\"", "!!int",
        ]
        let routes = Route.all.filter { $0.method == "POST" && $0.path != "/api/search" }
        for round in 0..<60 {
            var text = Array(Bench.scenario)
            for _ in 0..<1 + random(4) {
                let at = random(text.count)
                switch random(3) {
                case 0: text.remove(at: at)
                case 1: text.insert(contentsOf: pieces[random(pieces.count)], at: at)
                default: text.removeSubrange(at..<min(text.count, at + random(20)))
                }
            }
            let route = routes[random(routes.count)]
            let body: [String: Any] =
                route.path == "/api/compare" ? ["scenarios": [String(text), Bench.scenario]] : ["scenario": String(text)]
            let reply = try bench.post(route.path, body)
            #expect(reply.status < 500, "seed \(seed), round \(round), \(route.path): \(reply.text.prefix(300))")
        }
    }
}
