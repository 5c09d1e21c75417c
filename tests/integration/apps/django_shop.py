"""The shop in Django, by its ASGI handler. The three shops have the same routes."""

import hashlib

import django
import goods
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.urls import path, reverse

settings.configure(
    DEBUG=False,
    SECRET_KEY="not one",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["console"], "level": "WARNING"},
    },
)
django.setup()


def hello(request: HttpRequest, name: str) -> HttpResponse:
    return JsonResponse(
        {
            "name": name,
            "greetings": request.GET.getlist("greeting"),
            "root_path": request.META["SCRIPT_NAME"],
            "url": request.build_absolute_uri(reverse("hello", args=["again"])),
            "client": request.META.get("REMOTE_ADDR"),
        }
    )


def form(request: HttpRequest) -> HttpResponse:
    return JsonResponse(request.POST.dict())


def file(request: HttpRequest) -> HttpResponse:
    upload = request.FILES["file"]
    return JsonResponse(goods.receipt(upload.name, upload.content_type, upload.read(), request.POST["note"]))


def digest(request: HttpRequest) -> HttpResponse:
    size, sha256 = 0, hashlib.sha256()
    while piece := request.read(1 << 16):
        size += len(piece)
        sha256.update(piece)
    return JsonResponse({"size": size, "sha256": sha256.hexdigest()})


async def stream(request: HttpRequest, count: int) -> HttpResponseBase:
    return StreamingHttpResponse(goods.lines(count), content_type="text/plain; charset=utf-8")


async def endless(request: HttpRequest, tag: str) -> HttpResponseBase:
    return StreamingHttpResponse(goods.endless_pieces(request.path))


async def download(request: HttpRequest, count: int) -> HttpResponseBase:
    return StreamingHttpResponse(goods.pieces(count), headers={"Content-Length": str(count * len(goods.PIECE))})


def boom(request: HttpRequest) -> HttpResponse:
    raise ValueError("no good")


async def boom_late(request: HttpRequest) -> HttpResponseBase:
    return StreamingHttpResponse(goods.spoilt_pieces())


def page(request: HttpRequest) -> HttpResponse:
    if request.headers.get("if-none-match") == '"1"':
        return HttpResponse(status=304, headers={"ETag": '"1"'})
    return HttpResponse("the page", headers={"ETag": '"1"'})


def old(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=307, headers={"Location": "/hello/moved"})


def cookies(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("sweet")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns = [
    path("hello/<str:name>", hello, name="hello"),
    path("form", form),
    path("file", file),
    path("digest", digest),
    path("stream/<int:count>", stream),
    path("endless/<str:tag>", endless),
    path("download/<int:count>", download),
    path("boom", boom),
    path("boom-late", boom_late),
    path("page", page),
    path("old", old),
    path("cookies", cookies),
    path("nothing", nothing),
]

app = get_asgi_application()
