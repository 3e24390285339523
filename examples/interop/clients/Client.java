// Sends the cases of a plan with Java's own clients: `java Client.java default|http1|connection URL PLAN CLIENT`.
// `default` is HttpClient as it comes, which offers h2c with each first request. `plan.py` says what a plan looks like.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32;

class Client {
    record Answer(int status, byte[] body) {}

    record Case(String name, String method, String path, String framing, int count, Set<String> flags,
            List<String[]> headers, List<byte[]> parts) {
        boolean has(String flag) {
            return flags.contains(flag);
        }

        /** The parts, with pauses where the case has them; one that is to be cancelled does not end. */
        InputStream stream() {
            List<InputStream> streams = new ArrayList<>();
            for (byte[] part : parts) {
                if (!streams.isEmpty() && has("pause")) streams.add(new Waiting(20));
                // The client reads one piece ahead of what it sends.
                int half = has("cancel") ? part.length / 2 : 0;
                if (half > 0) streams.add(new ByteArrayInputStream(part, 0, half));
                streams.add(new ByteArrayInputStream(part, half, part.length - half));
            }
            if (has("pause")) streams.add(new Waiting(20));
            if (has("cancel")) streams.add(new Waiting(1000));
            return new SequenceInputStream(Collections.enumeration(streams));
        }

        byte[] body() {
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            parts.forEach(all::writeBytes);
            return all.toByteArray();
        }
    }

    /** Holds nothing, and takes its time to say so. */
    static class Waiting extends InputStream {
        private final int millis;

        Waiting(int millis) {
            this.millis = millis;
        }

        @Override
        public int read() {
            pause(millis);
            return -1;
        }
    }

    static void pause(int millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    static List<String[]> pairs(String text) {
        List<String[]> pairs = new ArrayList<>();
        for (String line : text.split("\u001f")) {
            if (!line.isEmpty()) pairs.add(line.split(": ", 2));
        }
        return pairs;
    }

    static Case parse(String line) {
        String[] f = line.split("\t", -1);
        List<byte[]> parts = new ArrayList<>();
        for (String part : f[8].split(",")) {
            if (!part.isEmpty()) parts.add(Base64.getDecoder().decode(part));
        }
        Set<String> flags = Set.copyOf(Arrays.asList(f[5].split(",")));
        return new Case(f[0], f[1], f[2], f[3], Integer.parseInt(f[4]), flags, pairs(f[6]), parts);
    }

    static Answer withClient(HttpClient client, String url, Case one, String id) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + one.path()));
        BodyPublisher body = switch (one.framing()) {
            case "length" -> one.parts().size() < 2 && !one.has("cancel")
                    ? BodyPublishers.ofByteArray(one.body())
                    : BodyPublishers.fromPublisher(BodyPublishers.ofInputStream(one::stream),
                            one.body().length + (one.has("cancel") ? 1000 : 0));
            case "chunked" -> BodyPublishers.ofInputStream(one::stream);
            default -> BodyPublishers.noBody();
        };
        request.method(one.method(), body).header("x-case", id);
        if (one.has("expect")) request.expectContinue(true);
        one.headers().forEach(pair -> request.header(pair[0], pair[1]));
        CompletableFuture<HttpResponse<byte[]>> answer = client.sendAsync(request.build(), BodyHandlers.ofByteArray());
        if (one.has("cancel")) {
            pause(200);
            answer.cancel(true);
        }
        HttpResponse<byte[]> came = answer.get(20, TimeUnit.SECONDS);
        return new Answer(came.statusCode(), came.body());
    }

    static Answer withConnection(String url, Case one, String id) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) new URL(url + one.path()).openConnection();
        connection.setRequestMethod(one.method());
        connection.setRequestProperty("x-case", id);
        one.headers().forEach(pair -> connection.setRequestProperty(pair[0], pair[1]));
        if (one.has("expect")) connection.setRequestProperty("Expect", "100-continue");
        if (!one.framing().equals("none")) {
            connection.setDoOutput(true);
            if (one.framing().equals("chunked")) connection.setChunkedStreamingMode(4096);
            else connection.setFixedLengthStreamingMode(one.body().length + (one.has("cancel") ? 1000 : 0));
            try (var out = connection.getOutputStream()) {
                boolean isFirst = true;
                for (byte[] part : one.parts()) {
                    if (!isFirst && one.has("pause")) pause(20);
                    isFirst = false;
                    out.write(part);
                    out.flush();
                }
                if (one.has("cancel")) {
                    pause(30);
                    connection.disconnect();
                    throw new java.io.IOException("cancelled");
                }
                if (one.has("pause")) pause(20);
            }
        }
        int status = connection.getResponseCode();
        InputStream in = status < 400 ? connection.getInputStream() : connection.getErrorStream();
        return new Answer(status, in == null ? new byte[0] : in.readAllBytes());
    }

    public static void main(String[] args) throws Exception {
        HttpClient.Version version = args[0].equals("http1") ? HttpClient.Version.HTTP_1_1 : HttpClient.Version.HTTP_2;
        HttpClient client = HttpClient.newBuilder().version(version).build();
        for (String line : Files.readAllLines(Path.of(args[2]))) {
            Case one = parse(line);
            for (int number = 0; number < one.count(); number++) {
                String id = one.name() + "/" + number + "/" + args[3];
                String start = one.name() + "\t" + number + "\t";
                try {
                    Answer answer = args[0].equals("connection")
                            ? withConnection(args[1], one, id) : withClient(client, args[1], one, id);
                    CRC32 crc = new CRC32();
                    crc.update(answer.body());
                    byte[] shown = Arrays.copyOf(answer.body(), Math.min(300, answer.body().length));
                    System.out.println(start + answer.status() + "\t" + crc.getValue() + "\t"
                            + Base64.getEncoder().encodeToString(shown));
                } catch (Exception error) {
                    System.out.println(start + "error\t" + error.toString().replaceAll("\\s+", " "));
                }
            }
        }
        System.exit(0);
    }
}
